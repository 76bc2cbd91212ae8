-- rows of subscriptions that are not there yet, in binary
COPY projection.subscriptions (generation, journal, subscription_id, customer_id, buyer, book, superseded, status, state, state_hash, fold_hash,
                               fold_version, unmapped, uncertain, next_transition_at, dirty_since, version, saved_at) FROM STDIN (FORMAT binary)

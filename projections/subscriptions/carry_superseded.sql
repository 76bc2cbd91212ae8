-- $1 live generation, $2 the one that takes its place: chains that came and went before it was built may still have a license to be switched off
INSERT INTO projection.subscriptions (generation, journal, subscription_id, customer_id, status, state, state_hash, fold_hash, fold_version,
                                      unmapped, uncertain, next_transition_at, dirty_since, version, saved_at, book, superseded)
SELECT $2, journal, subscription_id, customer_id, status, state, state_hash, fold_hash, fold_version,
       unmapped, uncertain, next_transition_at, dirty_since, version, saved_at, book, superseded
FROM projection.subscriptions
WHERE generation = $1 AND superseded AND dirty_since IS NOT NULL
ON CONFLICT DO NOTHING

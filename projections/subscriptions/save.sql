-- $1 generation, $2 journal, $3 subscription ids, $4 customer ids, $5 statuses, $6 states, $7 state hashes, $8 fold hashes,
-- $9 fold version, $10 unmapped, $11 uncertain, $12 next transitions, $13 whether dirty, $14 now, $15 books, $16 superseded, $17 buyers
INSERT INTO projection.subscriptions (generation, journal, subscription_id, customer_id, status, state, state_hash, fold_hash,
                                      fold_version, unmapped, uncertain, next_transition_at, dirty_since, version, saved_at, book, superseded, buyer)
SELECT $1, $2, u.id, u.customer, u.status, u.state, u.state_hash, u.fold_hash,
       $9, u.unmapped, u.uncertain, u.next_at, CASE WHEN u.dirty THEN $14::timestamptz END, 1, $14::timestamptz, u.book, u.superseded, u.buyer
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $10::bool[], $11::bool[], $12::timestamptz[], $13::bool[], $15::text[], $16::bool[], $17::text[])
     AS u (id, customer, status, state, state_hash, fold_hash, unmapped, uncertain, next_at, dirty, book, superseded, buyer)
ON CONFLICT (generation, journal, subscription_id) DO UPDATE SET
    customer_id = excluded.customer_id, status = excluded.status, state = excluded.state,
    state_hash = excluded.state_hash, fold_hash = excluded.fold_hash, fold_version = excluded.fold_version,
    unmapped = excluded.unmapped, uncertain = excluded.uncertain, next_transition_at = excluded.next_transition_at,
    book = excluded.book, superseded = excluded.superseded, buyer = excluded.buyer,
    dirty_since = coalesce(subscriptions.dirty_since, excluded.dirty_since),
    version = subscriptions.version + 1, saved_at = excluded.saved_at

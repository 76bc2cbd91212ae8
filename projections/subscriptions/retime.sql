-- $1 generation, $2 journal, $3 subscription ids, $4 next transitions, $5 unmapped, $6 now: rules or time moved, the state did not
UPDATE projection.subscriptions s
SET next_transition_at = u.next_at, unmapped = u.unmapped, dirty_since = coalesce(s.dirty_since, $6::timestamptz),
    version = s.version + 1, saved_at = $6::timestamptz
FROM unnest($3::text[], $4::timestamptz[], $5::bool[]) AS u (id, next_at, unmapped)
WHERE s.generation = $1 AND s.journal = $2 AND s.subscription_id = ANY ($3::text[]) AND s.subscription_id = u.id

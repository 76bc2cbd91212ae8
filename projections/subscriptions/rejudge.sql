-- $1 generation, $2 journal, $3 subscription ids, $4 next transitions, $5 unmapped: other rules hold; no mark, for nobody has
-- looked at what they lead to
UPDATE projection.subscriptions s
SET next_transition_at = u.next_at, unmapped = u.unmapped
FROM unnest($3::text[], $4::timestamptz[], $5::bool[]) AS u (id, next_at, unmapped)
WHERE s.generation = $1 AND s.journal = $2 AND s.subscription_id = u.id

-- $1 generation, $2 journal, $3 id or null, $4 limit
SELECT id, subscription_id, granted, withdrawn
FROM projection.overrides
WHERE generation = $1 AND journal = $2 AND ($3::text IS NULL OR id = $3)
ORDER BY granted DESC
LIMIT $4

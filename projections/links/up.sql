-- $1 generation, $2 journal, $3 entities: the subscriptions and books each belongs to; a customer has those that name it.
-- OFFSET 0 keeps every step a look into the index: of a young table the planner knows nothing, and would read all of it each time
WITH RECURSIVE up (origin, entity) AS (
    SELECT k, k FROM unnest($3::text[]) AS k
    UNION
    SELECT up.origin, l.parent
    FROM up
    CROSS JOIN LATERAL (SELECT parent FROM projection.links WHERE generation = $1 AND journal = $2 AND child = up.entity OFFSET 0) l
    WHERE up.entity NOT LIKE 'sub:%' AND up.entity NOT LIKE 'cus:%' AND up.entity NOT LIKE 'book:%'
)
SELECT origin, entity AS subscription FROM up WHERE entity LIKE 'sub:%' OR entity LIKE 'book:%'
UNION
SELECT k, l.child
FROM unnest($3::text[]) AS k
CROSS JOIN LATERAL (SELECT child FROM projection.links WHERE generation = $1 AND journal = $2 AND parent = k OFFSET 0) l
WHERE k LIKE 'cus:%' AND (l.child LIKE 'sub:%' OR l.child LIKE 'book:%')

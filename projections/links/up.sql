-- $1 generation, $2 journal, $3 entities: the subscriptions and books each belongs to; a customer has those that name it
WITH RECURSIVE up (origin, entity) AS (
    SELECT k, k FROM unnest($3::text[]) AS k
    UNION
    SELECT up.origin, l.parent
    FROM up JOIN projection.links l ON l.generation = $1 AND l.journal = $2 AND l.child = up.entity
    WHERE up.entity NOT LIKE 'sub:%' AND up.entity NOT LIKE 'cus:%' AND up.entity NOT LIKE 'book:%'
)
SELECT origin, entity AS subscription FROM up WHERE entity LIKE 'sub:%' OR entity LIKE 'book:%'
UNION
SELECT k, l.child
FROM unnest($3::text[]) AS k
JOIN projection.links l ON l.generation = $1 AND l.journal = $2 AND l.parent = k AND (l.child LIKE 'sub:%' OR l.child LIKE 'book:%')
WHERE k LIKE 'cus:%'

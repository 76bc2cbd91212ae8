-- $1 generation, $2 journal, $3 subscriptions: every edge below each, and its edges to customers
WITH RECURSIVE down (subscription, entity) AS (
    SELECT k, k FROM unnest($3::text[]) AS k
    UNION
    SELECT down.subscription, l.child
    FROM down JOIN projection.links l ON l.generation = $1 AND l.journal = $2 AND l.parent = down.entity
)
SELECT down.subscription, l.child, l.parent, l.position
FROM down JOIN projection.links l ON l.generation = $1 AND l.journal = $2 AND l.parent = down.entity
UNION
SELECT k, l.child, l.parent, l.position
FROM unnest($3::text[]) AS k
JOIN projection.links l ON l.generation = $1 AND l.journal = $2 AND l.child = k AND l.parent LIKE 'cus:%'

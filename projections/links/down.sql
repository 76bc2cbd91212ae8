-- $1 generation, $2 journal, $3 subscriptions and books: every edge below each, its edges to customers, and of what is below a
-- book the edges to subscriptions, which claim it.
-- OFFSET 0 keeps every step a look into the index: of a young table the planner knows nothing, and would read all of it each time
WITH RECURSIVE down (subscription, child, parent, position) AS (
    SELECT k, l.child, l.parent, l.position
    FROM unnest($3::text[]) AS k
    CROSS JOIN LATERAL (SELECT child, parent, position FROM projection.links WHERE generation = $1 AND journal = $2 AND parent = k OFFSET 0) l
    UNION
    SELECT down.subscription, l.child, l.parent, l.position
    FROM down
    CROSS JOIN LATERAL (SELECT child, parent, position FROM projection.links WHERE generation = $1 AND journal = $2 AND parent = down.child OFFSET 0) l
)
SELECT subscription, child, parent, position FROM down
UNION
SELECT down.subscription, l.child, l.parent, l.position
FROM down
CROSS JOIN LATERAL (SELECT child, parent, position FROM projection.links WHERE generation = $1 AND journal = $2 AND child = down.child OFFSET 0) l
WHERE down.subscription LIKE 'book:%' AND l.parent LIKE 'sub:%'
UNION
SELECT k, l.child, l.parent, l.position
FROM unnest($3::text[]) AS k
CROSS JOIN LATERAL (SELECT child, parent, position FROM projection.links WHERE generation = $1 AND journal = $2 AND child = k OFFSET 0) l
WHERE l.parent LIKE 'cus:%'

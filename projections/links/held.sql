-- $1 generation, $2 journal, $3 children, $4 parents: the edges among them that are there already.
-- OFFSET 0 keeps every step a look into the index: of a young table the planner knows nothing, and would read all of it each time
SELECT u.child, u.parent
FROM unnest($3::text[], $4::text[]) AS u (child, parent)
CROSS JOIN LATERAL (SELECT 1 FROM projection.links l
                    WHERE l.generation = $1 AND l.journal = $2 AND l.child = u.child AND l.parent = u.parent OFFSET 0) held

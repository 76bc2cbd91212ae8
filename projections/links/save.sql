-- $1 generation, $2 journal, $3 children, $4 parents, $5 positions: answers with the edges that are new
INSERT INTO projection.links (generation, journal, child, parent, position)
SELECT $1, $2, u.child, u.parent, u.position FROM unnest($3::text[], $4::text[], $5::int8[]) AS u (child, parent, position)
ON CONFLICT DO NOTHING
RETURNING child, parent

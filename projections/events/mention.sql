-- $1 generation, $2 journal, $3 entities, $4 positions
INSERT INTO projection.mentions (generation, journal, entity, position)
SELECT $1, $2, u.entity, u.position FROM unnest($3::text[], $4::int8[]) AS u (entity, position)
ON CONFLICT DO NOTHING

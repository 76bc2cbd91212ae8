-- $1 generation, $2 journal, $3 positions, $4 instants, $5 order ids, $6 numbers, $7 actions, $8 announced, $9 approved
INSERT INTO projection.destructive (generation, journal, position, at, order_id, n, action, announced, approved, undone)
SELECT $1, $2, u.position, u.at, u.order_id, u.n, u.action, u.announced, u.approved, false
FROM unnest($3::int8[], $4::timestamptz[], $5::text[], $6::int8[], $7::text[], $8::bool[], $9::bool[])
     AS u (position, at, order_id, n, action, announced, approved)
ON CONFLICT (generation, journal, position) DO NOTHING

-- $1 generation, $2 journal, $3 order ids, $4 numbers: intents that were certainly not done
UPDATE projection.destructive d SET undone = true
FROM unnest($3::text[], $4::int8[]) AS u (order_id, n)
WHERE d.generation = $1 AND d.journal = $2 AND d.order_id = u.order_id AND d.n = u.n

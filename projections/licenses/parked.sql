-- $1 generation, $2 journal, $3 limit
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND record ->> 'parked' IS NOT NULL
ORDER BY order_id
LIMIT $3

-- $1 generation, $2 journal, $3 limit, $4 after order id
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND record ->> 'parked' IS NOT NULL AND order_id > $4
ORDER BY order_id
LIMIT $3

-- $1 generation, $2 journal, $3 after order id, $4 limit, $5 state or null
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND order_id > $3 AND ($5::text IS NULL OR state = $5)
ORDER BY order_id
LIMIT $4

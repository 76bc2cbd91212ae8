-- $1 generation, $2 journal, $3 limit: licenses that are not as we left them
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND drifted
ORDER BY order_id
LIMIT $3

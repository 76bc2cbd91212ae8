-- $1 generation, $2 journal, $3 customer or null, $4 subscriptions, $5 limit
SELECT position, status FROM projection.events
WHERE generation = $1 AND journal = $2 AND (customer_id = $3 OR subscription_id = ANY($4))
ORDER BY position DESC
LIMIT $5

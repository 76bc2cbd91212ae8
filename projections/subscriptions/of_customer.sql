-- $1 generation, $2 journal, $3 customer, $4 limit
SELECT state FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND customer_id = $3 AND NOT superseded
ORDER BY subscription_id
LIMIT $4

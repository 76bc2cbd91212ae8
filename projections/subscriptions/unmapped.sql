-- $1 generation, $2 journal, $3 limit
SELECT subscription_id, customer_id, state FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND unmapped
ORDER BY subscription_id
LIMIT $3

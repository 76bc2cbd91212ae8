-- $1 generation, $2 journal, $3 limit, $4 from subscription id
SELECT subscription_id, customer_id, state FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND unmapped AND subscription_id >= $4
ORDER BY subscription_id
LIMIT $3

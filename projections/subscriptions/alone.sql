-- $1 generation, $2 journal, $3 after id, $4 limit: subscriptions that are no chain of a book
SELECT subscription_id, state
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND subscription_id > $3 AND book IS NULL
ORDER BY subscription_id
LIMIT $4

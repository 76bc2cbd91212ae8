-- $1 generation, $2 journal, $3 after id, $4 limit, $5 status or null
SELECT subscription_id, state, unmapped
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND subscription_id > $3 AND NOT superseded AND ($5::text IS NULL OR status = $5)
ORDER BY subscription_id
LIMIT $4

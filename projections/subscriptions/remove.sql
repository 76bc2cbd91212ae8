-- $1 generation, $2 journal, $3 subscription ids
DELETE FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND subscription_id = ANY($3)

-- $1 generation, $2 journal, $3 subscription id: the book it is a chain of, if it is one
SELECT book FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND subscription_id = $3 AND book IS NOT NULL

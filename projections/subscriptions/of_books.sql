-- $1 generation, $2 journal, $3 books, $4 subscription ids: the chains the books were split into, and what has those ids
SELECT subscription_id, state, state_hash, fold_version, version, book
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND (book = ANY($3) OR subscription_id = ANY($4))

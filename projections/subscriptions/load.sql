-- $1 generation, $2 journal, $3 subscription ids
SELECT subscription_id, state, state_hash, fold_version, version, dirty_since
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND subscription_id = ANY($3)

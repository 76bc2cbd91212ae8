-- $1 generation, $2 journal, $3 dirty since at most, $4 limit
SELECT subscription_id, state, state_hash, version
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND dirty_since <= $3
ORDER BY dirty_since
LIMIT $4

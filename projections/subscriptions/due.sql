-- $1 generation, $2 journal, $3 now, $4 limit
SELECT subscription_id, state
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND next_transition_at <= $3
ORDER BY next_transition_at
LIMIT $4
FOR UPDATE SKIP LOCKED

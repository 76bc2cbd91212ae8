-- $1 generation, $2 journal, $3 subscription ids, $4 now: the reconciler should compare them
UPDATE projection.subscriptions SET dirty_since = coalesce(dirty_since, $4)
WHERE generation = $1 AND journal = $2 AND subscription_id = ANY($3)

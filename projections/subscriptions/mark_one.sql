-- $1 generation, $2 journal, $3 subscription id, $4 now: its licenses have to be compared again
UPDATE projection.subscriptions
SET dirty_since = coalesce(dirty_since, $4::timestamptz), version = version + 1, saved_at = $4::timestamptz
WHERE generation = $1 AND journal = $2 AND subscription_id = $3

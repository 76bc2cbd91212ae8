-- $1 generation, $2 journal, $3 subscription id, $4 when it is to be looked at again
UPDATE projection.subscriptions SET dirty_since = $4::timestamptz
WHERE generation = $1 AND journal = $2 AND subscription_id = $3

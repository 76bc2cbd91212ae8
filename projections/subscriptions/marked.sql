-- $1 generation, $2 journal: what waits for the reconciler
SELECT subscription_id FROM projection.subscriptions WHERE generation = $1 AND journal = $2 AND dirty_since IS NOT NULL

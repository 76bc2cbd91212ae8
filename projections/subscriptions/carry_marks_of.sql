-- $1 live generation, $2 the one whose rows take their place, $3 journal, $4 subscription ids or null: what waits for the
-- reconciler goes on waiting
UPDATE projection.subscriptions n
SET dirty_since = (SELECT l.dirty_since FROM projection.subscriptions l
                   WHERE l.generation = $1 AND l.journal = n.journal AND l.subscription_id = n.subscription_id)
WHERE n.generation = $2 AND n.journal = $3 AND ($4::text[] IS NULL OR n.subscription_id = ANY($4))

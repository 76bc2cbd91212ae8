-- $1 live generation, $2 the one that takes its place: what waits for the reconciler goes on waiting
UPDATE projection.subscriptions n
SET dirty_since = (SELECT l.dirty_since FROM projection.subscriptions l
                   WHERE l.generation = $1 AND l.journal = n.journal AND l.subscription_id = n.subscription_id)
WHERE n.generation = $2

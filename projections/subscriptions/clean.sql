-- $1 generation, $2 journal, $3 subscription id, $4 the version that was compared: a newer one stays dirty, from when it was saved
UPDATE projection.subscriptions
SET dirty_since = CASE WHEN version = $4 THEN NULL ELSE saved_at END
WHERE generation = $1 AND journal = $2 AND subscription_id = $3

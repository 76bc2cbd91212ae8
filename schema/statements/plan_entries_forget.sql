-- $1 plan, $2 source, $3 subscription id
DELETE FROM control.plan_entries WHERE plan = $1 AND source = $2 AND subscription_id = $3

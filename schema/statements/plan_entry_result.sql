-- $1 plan, $2 source, $3 subscription id, $4 ordinal, $5 result
UPDATE control.plan_entries SET result = $5 WHERE plan = $1 AND source = $2 AND subscription_id = $3 AND ordinal = $4

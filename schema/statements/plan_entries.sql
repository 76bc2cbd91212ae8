-- $1 plan, $2 after source, $3 after subscription id, $4 limit, $5 only those not tried yet
SELECT source, subscription_id, ordinal, entry, result
FROM control.plan_entries
WHERE plan = $1 AND (source, subscription_id) > ($2, $3) AND (NOT $5 OR result IS NULL)
ORDER BY source, subscription_id, ordinal
LIMIT $4

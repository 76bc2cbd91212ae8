-- $1 account, $2 seconds after which whoever took them is not waited for: the plans that are owed
UPDATE control.plans_owed SET taken_at = clock_timestamp()
WHERE account = $1 AND (taken_at IS NULL OR taken_at < clock_timestamp() - make_interval(secs => $2))
RETURNING id, reason

-- $1 id: a held plan of which nothing is left
UPDATE control.plans SET state = 'stale', changed_at = clock_timestamp()
WHERE id = $1 AND state = 'held' AND NOT EXISTS (SELECT 1 FROM control.plan_entries e WHERE e.plan = $1)

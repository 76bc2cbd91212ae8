-- $1 account: the sweep to be run; one that a dead process left running is begun anew
UPDATE control.sweeps SET state = 'running', started_at = clock_timestamp(), rows_seen = 0
WHERE id = (SELECT id FROM control.sweeps WHERE account = $1 AND state IN ('queued', 'running') ORDER BY created_at LIMIT 1)
RETURNING id, kind, who, reason, started_at

-- $1 account, $2 seconds: the sweep to be run; one that nobody went on with for so long is a dead process's, and begun anew
UPDATE control.sweeps SET state = 'running', started_at = clock_timestamp(), looked_at = clock_timestamp(), rows_seen = 0
WHERE id = (SELECT id FROM control.sweeps WHERE account = $1 AND state IN ('queued', 'running') ORDER BY created_at LIMIT 1)
  AND (state = 'queued' OR coalesce(looked_at, started_at) < clock_timestamp() - make_interval(secs => $2))
RETURNING id, kind, who, reason, started_at

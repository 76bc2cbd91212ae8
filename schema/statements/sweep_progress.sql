-- $1 id, $2 rows seen, $3 when it was begun by whoever asks
UPDATE control.sweeps SET rows_seen = $2, looked_at = clock_timestamp() WHERE id = $1 AND state = 'running' AND started_at = $3

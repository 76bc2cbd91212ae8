-- $1 id or null, $2 account or null, $3 limit
SELECT id, account, kind, state, who, reason, created_at, started_at, finished_at, rows_seen, problem, findings
FROM control.sweeps
WHERE ($1::uuid IS NULL OR id = $1) AND ($2::text IS NULL OR account = $2)
ORDER BY created_at DESC
LIMIT $3

-- $1 account, $2 kind or null: when the last sweep began that saw everything, and what it found
SELECT started_at, findings FROM control.sweeps
WHERE account = $1 AND state = 'done' AND ($2::text IS NULL OR kind = $2)
ORDER BY created_at DESC LIMIT 1

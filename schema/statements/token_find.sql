-- $1 hash
SELECT id, name, role, expires_at, revoked_at FROM control.tokens
WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())

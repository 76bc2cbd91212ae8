SELECT id, name, role, expires_at, revoked_at FROM control.tokens ORDER BY created_at DESC

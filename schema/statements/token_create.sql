-- $1 id, $2 name, $3 role, $4 hash, $5 expires at: a token that is there already stays
INSERT INTO control.tokens (id, name, role, hash, expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO NOTHING

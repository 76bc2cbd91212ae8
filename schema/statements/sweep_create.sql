-- $1 id, $2 account, $3 kind, $4 who, $5 reason
INSERT INTO control.sweeps (id, account, kind, state, who, reason) VALUES ($1, $2, $3, 'queued', $4, $5)

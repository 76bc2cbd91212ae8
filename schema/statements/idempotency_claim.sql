-- $1 token, $2 key, $3 hash of the request: the first one gets a row
INSERT INTO control.idempotency (token, key, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

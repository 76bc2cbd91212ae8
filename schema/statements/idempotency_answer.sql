-- $1 token, $2 key, $3 status, $4 answer
UPDATE control.idempotency SET status = $3, answer = $4 WHERE token = $1 AND key = $2

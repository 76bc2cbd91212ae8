-- $1 token, $2 key
SELECT request, status, answer FROM control.idempotency WHERE token = $1 AND key = $2

-- $1 token, $2 key: nothing was done, it may be asked again
DELETE FROM control.idempotency WHERE token = $1 AND key = $2

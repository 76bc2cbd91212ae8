-- $1 oldest instant that is kept, $2 how many are kept at most
DELETE FROM control.idempotency
WHERE claimed_at < $1
   OR claimed_at < (SELECT i.claimed_at FROM control.idempotency i ORDER BY i.claimed_at DESC OFFSET $2 LIMIT 1)

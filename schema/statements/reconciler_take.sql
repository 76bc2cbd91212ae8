-- $1 account: the row lock makes one reconciler active
SELECT tokens_milli, refilled_at, not_before, clock_timestamp() AS now
FROM control.reconcilers WHERE account = $1 FOR UPDATE SKIP LOCKED

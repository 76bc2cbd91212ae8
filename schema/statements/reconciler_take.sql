-- $1 account: the row lock makes one reconciler active
SELECT account FROM control.reconcilers WHERE account = $1 FOR UPDATE SKIP LOCKED

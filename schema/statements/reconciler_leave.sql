-- $1 account, $2 tokens left, in thousandths, $3 refilled at, $4 not before
UPDATE control.reconcilers SET tokens_milli = $2, refilled_at = $3, not_before = $4 WHERE account = $1

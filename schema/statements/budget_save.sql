-- $1 account, $2 tokens left, in thousandths, $3 refilled at, $4 not before, $5 failures in a row
UPDATE control.budgets SET tokens_milli = $2, refilled_at = $3, not_before = $4, failures = $5 WHERE account = $1

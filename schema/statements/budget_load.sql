-- $1 account
SELECT tokens_milli, refilled_at, not_before, failures, clock_timestamp() AS now FROM control.budgets WHERE account = $1

-- $1 account
WITH lease AS (INSERT INTO control.reconcilers (account) VALUES ($1) ON CONFLICT DO NOTHING)
INSERT INTO control.budgets (account, tokens_milli) VALUES ($1, 0) ON CONFLICT DO NOTHING

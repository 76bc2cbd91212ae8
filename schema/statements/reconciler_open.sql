-- $1 account
INSERT INTO control.reconcilers (account, tokens_milli) VALUES ($1, 0) ON CONFLICT DO NOTHING

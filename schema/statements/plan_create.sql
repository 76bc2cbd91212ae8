-- $1 id, $2 account, $3 state, $4 who, $5 reason
INSERT INTO control.plans (id, account, state, who, reason) VALUES ($1, $2, $3, $4, $5)

-- $1 id, $2 account, $3 who, $4 reason: the account's held plan, opened if there is none
INSERT INTO control.plans (id, account, state, who, reason) VALUES ($1, $2, 'held', $3, $4)
ON CONFLICT (account) WHERE state = 'held' DO UPDATE SET changed_at = clock_timestamp()
RETURNING id

-- $1 reason: every account is owed a plan
INSERT INTO control.plans_owed (account, reason) SELECT account, $1 FROM control.reconcilers

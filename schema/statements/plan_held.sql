-- $1 account
SELECT id FROM control.plans WHERE account = $1 AND state = 'held'

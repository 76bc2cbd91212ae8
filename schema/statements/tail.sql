-- $1 journal
SELECT position, recorded_at FROM ledger.events WHERE journal = $1 ORDER BY position DESC LIMIT 1

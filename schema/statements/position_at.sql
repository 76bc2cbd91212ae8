-- $1 journal, $2 instant: the last position recorded by then
SELECT position FROM ledger.events WHERE journal = $1 AND recorded_at <= $2 ORDER BY position DESC LIMIT 1

-- $1 journal, $2 type, $3 position: the last up to it
SELECT e.position, e.recorded_at, b.bytes
FROM ledger.events e
JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.carrier AND b.part = e.part
WHERE e.journal = $1 AND e.type = $2 AND e.position <= $3
ORDER BY e.position DESC
LIMIT 1

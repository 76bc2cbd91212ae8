-- $1 journal, $2 type, $3 limit
SELECT e.position, e.recorded_at, b.bytes
FROM ledger.events e
JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.carrier AND b.part = e.part
WHERE e.journal = $1 AND e.type = $2
ORDER BY e.position DESC
LIMIT $3

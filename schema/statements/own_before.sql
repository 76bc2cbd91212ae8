-- $1 journal, $2 before position, $3 types, $4 limit: what we wrote ourselves, newest first
SELECT e.position, e.recorded_at, b.bytes
FROM ledger.events e
JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.carrier AND b.part = e.part
WHERE e.journal = $1 AND e.position < $2 AND e.type = ANY($3) AND e.headers IS NULL AND e.carrier = e.position
ORDER BY e.position DESC
LIMIT $4

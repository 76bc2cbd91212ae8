-- $1 generation, $2 journal, $3 statuses, $4 limit, $5 before position
SELECT p.position, p.status, p.entity, p.error, e.type, e.external_id, e.received_at, e.recorded_at
FROM projection.events p
JOIN ledger.events e ON e.journal = p.journal AND e.position = p.position
WHERE p.generation = $1 AND p.journal = $2 AND p.status = ANY($3) AND p.status IN ('applied', 'recorded') AND p.error IS NOT NULL AND p.position < $5
ORDER BY p.position DESC
LIMIT $4

-- $1 generation, $2 journal, $3 entities: the first event that could not be read and speaks of one of them
SELECT e.position
FROM projection.mentions m
JOIN projection.events e ON e.generation = m.generation AND e.journal = m.journal AND e.position = m.position
WHERE m.generation = $1 AND m.journal = $2 AND m.entity = ANY($3) AND e.status IN ('quarantined', 'unreadable')
ORDER BY e.position
LIMIT 1

-- $1 generation, $2 journal, $3 customers, $4 subscriptions, $5 limit, $6 before position
SELECT p.position, p.status, e.recorded_at
FROM projection.events p
JOIN ledger.events e ON e.journal = p.journal AND e.position = p.position
WHERE p.generation = $1 AND p.journal = $2 AND (p.customer_id = ANY($3) OR p.subscription_id = ANY($4)) AND p.position < $6
ORDER BY p.position DESC
LIMIT $5

-- $1 live generation, $2 journal, $3 position
SELECT CASE WHEN p.status = 'applied' AND s.unmapped THEN 'unmapped' ELSE p.status END AS status, p.entity, p.customer_id, p.subscription_id, p.error
FROM projection.events p
LEFT JOIN projection.subscriptions s ON s.generation = p.generation AND s.journal = p.journal AND s.subscription_id = p.subscription_id
WHERE p.generation = $1 AND p.journal = $2 AND p.position = $3

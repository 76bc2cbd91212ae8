-- $1 live generation, $2 journal, $3 before position, $4 limit, then filters (null: any): $5 type, $6 only what waits to be read, $7 received
-- after, $8 received before, $9 occurred after, $10 occurred before
SELECT e.position, e.external_id, e.type, e.occurred_at, e.received_at, e.recorded_at, e.livemode,
       p.customer_id, p.subscription_id,
       CASE WHEN p.status = 'applied' AND s.unmapped THEN 'unmapped' ELSE coalesce(p.status, 'pending') END AS status, p.error
FROM ledger.events e
LEFT JOIN projection.events p ON p.generation = $1 AND p.journal = e.journal AND p.position = e.position
LEFT JOIN projection.subscriptions s ON s.generation = $1 AND s.journal = e.journal AND s.subscription_id = p.subscription_id
WHERE e.journal = $2 AND e.position < $3
  AND ($5::text IS NULL OR e.type = $5)
  AND (NOT $6::bool
       OR (p.position IS NULL AND e.position > (SELECT c.position FROM control.checkpoints c WHERE c.generation = $1 AND c.journal = $2)))
  AND ($7::timestamptz IS NULL OR e.received_at >= $7) AND ($8::timestamptz IS NULL OR e.received_at < $8)
  AND ($9::timestamptz IS NULL OR e.occurred_at >= $9) AND ($10::timestamptz IS NULL OR e.occurred_at < $10)
ORDER BY e.position DESC
LIMIT $4

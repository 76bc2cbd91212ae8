-- $1 live generation, $2 journal, $3 before position, $4 limit, then filters (null: any): $5 type, $6 customer, $7 subscription,
-- $8 status, $9 received after, $10 received before, $11 occurred after, $12 occurred before
SELECT l.* FROM (
    SELECT e.position, e.external_id, e.type, e.occurred_at, e.received_at, e.recorded_at, e.livemode,
           p.customer_id, p.subscription_id,
           CASE WHEN p.status = 'applied' AND s.unmapped THEN 'unmapped' ELSE coalesce(p.status, 'pending') END AS status, p.error
    FROM ledger.events e
    LEFT JOIN projection.events p ON p.generation = $1 AND p.journal = e.journal AND p.position = e.position
    LEFT JOIN projection.subscriptions s ON s.generation = $1 AND s.journal = e.journal AND s.subscription_id = p.subscription_id
    WHERE e.journal = $2 AND e.position < $3
      AND ($5::text IS NULL OR e.type = $5) AND ($6::text IS NULL OR p.customer_id = $6) AND ($7::text IS NULL OR p.subscription_id = $7)
      AND ($9::timestamptz IS NULL OR e.received_at >= $9) AND ($10::timestamptz IS NULL OR e.received_at < $10)
      AND ($11::timestamptz IS NULL OR e.occurred_at >= $11) AND ($12::timestamptz IS NULL OR e.occurred_at < $12)
) l
WHERE $8::text IS NULL OR l.status = $8
ORDER BY l.position DESC
LIMIT $4

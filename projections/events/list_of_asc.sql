-- $1 live generation, $2 journal, $3 after position, $4 limit, then filters (null: any): $5 type, $6 customer, $7 subscription,
-- $8 status, $9 received after, $10 received before, $11 occurred after, $12 occurred before
-- By what became of the events: what is rare is found by an index. A status is asked for by what it is made of.
-- OFFSET 0: each event is looked up by its position, whatever the planner thinks of a young table
SELECT p.position, e.external_id, e.type, e.occurred_at, e.received_at, e.recorded_at, e.livemode,
       p.customer_id, p.subscription_id, CASE WHEN p.is_unmapped THEN 'unmapped' ELSE p.status END AS status, p.error
FROM (SELECT p.position, p.customer_id, p.subscription_id, p.status, p.error, p.status = 'applied' AND s.unmapped AS is_unmapped
      FROM projection.events p
      LEFT JOIN projection.subscriptions s ON s.generation = $1 AND s.journal = $2 AND s.subscription_id = p.subscription_id
      WHERE p.generation = $1 AND p.journal = $2 AND p.position > $3
        AND ($6::text IS NULL OR p.customer_id = $6) AND ($7::text IS NULL OR p.subscription_id = $7)
        AND ($8::text IS NULL
             OR ($8 = 'unmapped' AND p.status = 'applied' AND s.unmapped)
             OR ($8 = 'applied' AND p.status = 'applied' AND s.unmapped IS NOT TRUE)
             OR ($8 = 'recorded' AND p.status = 'recorded')
             OR ($8 NOT IN ('unmapped', 'applied', 'recorded') AND p.status = $8 AND p.status NOT IN ('applied', 'recorded')))
      ORDER BY p.position
      OFFSET 0) p
CROSS JOIN LATERAL (SELECT * FROM ledger.events e WHERE e.journal = $2 AND e.position = p.position OFFSET 0) e
WHERE ($5::text IS NULL OR e.type = $5)
  AND ($9::timestamptz IS NULL OR e.received_at >= $9) AND ($10::timestamptz IS NULL OR e.received_at < $10)
  AND ($11::timestamptz IS NULL OR e.occurred_at >= $11) AND ($12::timestamptz IS NULL OR e.occurred_at < $12)
ORDER BY p.position
LIMIT $4

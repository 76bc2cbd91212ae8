-- $1 id or null, $2 limit; the positions of its generation, against the tails of what it covers
SELECT r.id, r.generation, r.state, r.promote, r.who, r.reason, r.created_at, r.ready_at, r.differences, r.calls, r.source, r.customer,
       extract(epoch FROM (coalesce(r.ready_at, clock_timestamp()) - r.created_at))::int8 AS seconds,
       CASE WHEN r.customer IS NOT NULL THEN coalesce(r.events, 0)
            ELSE coalesce((SELECT sum(c.position) FROM control.checkpoints c WHERE c.generation = r.generation), 0)
       END::int8 AS events_done,
       CASE WHEN r.customer IS NOT NULL THEN coalesce(r.events, 0)
            ELSE coalesce((SELECT sum((SELECT max(e.position) FROM ledger.events e WHERE e.journal = j.id)) FROM ledger.journals j
                           WHERE r.source IS NULL OR j.name = r.source), 0)
       END::int8 AS events_total
FROM control.rebuilds r
WHERE $1::uuid IS NULL OR r.id = $1
ORDER BY r.created_at DESC
LIMIT $2

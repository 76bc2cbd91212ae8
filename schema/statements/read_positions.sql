-- $1 journal, $2 positions
SELECT e.journal, e.position, e.dedupe_key, e.external_id, e.type, e.occurred_at, e.livemode, e.received_at, e.recorded_at, e.carrier, e.part,
       CASE WHEN e.carrier = e.position THEN e.headers
            ELSE (SELECT c.headers FROM ledger.events c WHERE c.journal = e.journal AND c.position = e.carrier) END AS headers,
       b.bytes
FROM ledger.events e
LEFT JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.carrier AND b.part = e.part
WHERE e.journal = $1 AND e.position = ANY($2)
ORDER BY e.position

-- $1 generation, $2 journal, $3 subscriptions, $4 last instant: what speaks of them by then
SELECT p.position
FROM projection.events p
JOIN ledger.events e ON e.journal = p.journal AND e.position = p.position
WHERE p.generation = $1 AND p.journal = $2 AND p.subscription_id = ANY($3) AND e.recorded_at <= $4
ORDER BY p.position

-- $1 generation, $2 other generation: whatever is not the same in both
SELECT j.name || '/' || coalesce(a.subscription_id, b.subscription_id)
FROM (SELECT * FROM projection.subscriptions WHERE generation = $1 AND NOT superseded) a
FULL JOIN (SELECT * FROM projection.subscriptions WHERE generation = $2 AND NOT superseded) b
    ON a.journal = b.journal AND a.subscription_id = b.subscription_id
JOIN ledger.journals j ON j.id = coalesce(a.journal, b.journal)
WHERE a.fold_hash IS DISTINCT FROM b.fold_hash
UNION ALL
SELECT j.name || '/' || coalesce(a.order_id, b.order_id)
FROM (SELECT * FROM projection.licenses WHERE generation = $1) a
FULL JOIN (SELECT * FROM projection.licenses WHERE generation = $2) b ON a.journal = b.journal AND a.order_id = b.order_id
JOIN ledger.journals j ON j.id = coalesce(a.journal, b.journal)
WHERE a.record::text IS DISTINCT FROM b.record::text
ORDER BY 1

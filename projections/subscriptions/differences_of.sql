-- $1 generation, $2 other generation, $3 journal, $4 subscription ids or null: whatever is not the same in both
SELECT j.name || '/' || coalesce(a.subscription_id, b.subscription_id)
FROM (SELECT * FROM projection.subscriptions
      WHERE generation = $1 AND journal = $3 AND NOT superseded AND ($4::text[] IS NULL OR subscription_id = ANY($4))) a
FULL JOIN (SELECT * FROM projection.subscriptions
           WHERE generation = $2 AND journal = $3 AND NOT superseded AND ($4::text[] IS NULL OR subscription_id = ANY($4))) b
    ON a.subscription_id = b.subscription_id
JOIN ledger.journals j ON j.id = $3
WHERE a.fold_hash IS DISTINCT FROM b.fold_hash
ORDER BY 1

-- $1 journal, $2 position
SELECT coalesce((SELECT copies FROM control.duplicates d WHERE d.journal = $1 AND d.position = $2), 0) AS copies,
       (SELECT count(*) FROM ledger.variants v WHERE v.journal = $1 AND v.position = $2) AS variants

-- $1 generation, $2 journal, $3 source, $4 limit: how many enabled licenses end by their own date, and when
SELECT record -> 'observed' ->> 'valid_until' AS valid_until, count(*) AS licenses
FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND source = $3 AND state = 'enabled' AND record -> 'observed' ->> 'valid_until' IS NOT NULL
GROUP BY 1
ORDER BY 1
LIMIT $4

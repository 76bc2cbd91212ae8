-- $1 generation, $2 journal, $3 now, $4 limit: orders to be looked at once more after a doubt
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND recheck_at <= $3 AND open_since IS NULL
ORDER BY recheck_at
LIMIT $4

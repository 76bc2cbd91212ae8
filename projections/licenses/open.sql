-- $1 generation, $2 journal, $3 opened at most at, $4 limit: intents without an outcome
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND open_since <= $3
ORDER BY open_since
LIMIT $4

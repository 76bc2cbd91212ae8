-- $1 generation, $2 journal, $3 source, $4 subscription ids
SELECT record FROM projection.licenses
WHERE generation = $1 AND journal = $2 AND source = $3 AND subscription_id = ANY($4)

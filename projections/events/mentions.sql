-- $1 generation, $2 journal, $3 entities
SELECT entity, position FROM projection.mentions
WHERE generation = $1 AND journal = $2 AND entity = ANY($3)

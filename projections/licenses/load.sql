-- $1 generation, $2 journal, $3 order ids
SELECT record FROM projection.licenses WHERE generation = $1 AND journal = $2 AND order_id = ANY($3)

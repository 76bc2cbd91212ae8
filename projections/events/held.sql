-- $1 generation, $2 journal, $3 positions: those of them that the generation has read
SELECT position FROM projection.events WHERE generation = $1 AND journal = $2 AND position = ANY($3)

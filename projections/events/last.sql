-- $1 generation, $2 journal: the last event that the generation has read
SELECT coalesce(max(position), 0) FROM projection.events WHERE generation = $1 AND journal = $2

-- $1 generation, $2 journal, $3 old position, $4 new position: fenced without clocks
UPDATE control.checkpoints SET position = $4, moved_at = clock_timestamp()
WHERE generation = $1 AND journal = $2 AND position = $3

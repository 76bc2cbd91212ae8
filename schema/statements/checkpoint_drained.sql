-- $1 generation, $2 journal: the tail was reached
UPDATE control.checkpoints SET caught_up = true WHERE generation = $1 AND journal = $2 AND NOT caught_up

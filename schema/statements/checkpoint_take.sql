-- $1 generation, $2 journal: the lease is the row lock; no row: somebody else has it
SELECT position FROM control.checkpoints WHERE generation = $1 AND journal = $2 FOR UPDATE SKIP LOCKED

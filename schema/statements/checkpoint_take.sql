-- $1 generation, $2 journal: the lease is the row lock; no row: somebody else has it. The commit need not
-- wait for the disk: rows and checkpoint are lost or kept together, and what is lost is folded again
SELECT position, set_config('synchronous_commit', 'off', true)
FROM control.checkpoints WHERE generation = $1 AND journal = $2 FOR UPDATE SKIP LOCKED

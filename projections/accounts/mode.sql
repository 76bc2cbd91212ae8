-- $1 generation, $2 journal
SELECT mode, said_at FROM projection.accounts WHERE generation = $1 AND journal = $2

-- $1 generation, $2 journal, $3 mode, $4 position of the event that said it
INSERT INTO projection.accounts (generation, journal, mode, said_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (generation, journal) DO UPDATE SET mode = excluded.mode, said_at = excluded.said_at

-- What the projector has to follow: every generation that is not dropped
SELECT c.generation, c.journal, c.position, g.state, g.scope_journal IS NOT NULL
FROM control.checkpoints c JOIN control.generations g ON g.generation = c.generation
WHERE g.state <> 'dropped'
ORDER BY (g.state = 'live') DESC, c.generation DESC, c.journal

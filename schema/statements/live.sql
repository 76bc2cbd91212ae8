SELECT l.journal, l.generation, c.caught_up
FROM control.live l JOIN control.checkpoints c ON c.generation = l.generation AND c.journal = l.journal

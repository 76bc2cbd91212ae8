-- $1 generation, $2 journal, $3 entity of the order: its intents and outcomes
SELECT position FROM projection.mentions WHERE generation = $1 AND journal = $2 AND entity = $3 ORDER BY position

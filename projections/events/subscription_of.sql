-- $1 generation, $2 journal, $3 entity: the subscription of the last event that speaks of it.
-- OFFSET 0: each event is looked up by its position, whatever the planner thinks of a young table
SELECT e.subscription_id
FROM projection.mentions m
CROSS JOIN LATERAL (SELECT p.subscription_id FROM projection.events p
                    WHERE p.generation = $1 AND p.journal = $2 AND p.position = m.position AND p.subscription_id IS NOT NULL OFFSET 0) e
WHERE m.generation = $1 AND m.journal = $2 AND m.entity = $3
ORDER BY m.position DESC
LIMIT 1

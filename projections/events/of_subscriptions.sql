-- $1 generation, $2 journal, $3 subscriptions, $4 position: what speaks of them up to it
SELECT position FROM projection.events
WHERE generation = $1 AND journal = $2 AND subscription_id = ANY($3) AND position <= $4
ORDER BY position

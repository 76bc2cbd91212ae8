-- $1 generation, $2 journal, $3 generation and $4 journal they go to, $5 subscription ids or null: all
UPDATE projection.subscriptions SET generation = $3, journal = $4
WHERE generation = $1 AND journal = $2 AND ($5::text[] IS NULL OR subscription_id = ANY($5))

-- $1 generation, $2 journal, $3 generation and $4 journal they go to, $5 positions or null: all
UPDATE projection.events SET generation = $3, journal = $4
WHERE generation = $1 AND journal = $2 AND ($5::int8[] IS NULL OR position = ANY($5))

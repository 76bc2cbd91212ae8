-- $1 generation, $2 journal, $3 generation and $4 journal they go to, $5 entities and $6 positions, or null: all
UPDATE projection.mentions SET generation = $3, journal = $4
WHERE generation = $1 AND journal = $2
  AND ($5::text[] IS NULL OR (entity = ANY($5) AND position = ANY($6::int8[])))

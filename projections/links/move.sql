-- $1 generation, $2 journal, $3 generation and $4 journal they go to, $5 children and $6 their parents, or null: all
UPDATE projection.links SET generation = $3, journal = $4
WHERE generation = $1 AND journal = $2
  AND ($5::text[] IS NULL OR (child, parent) IN (SELECT * FROM unnest($5, $6::text[])))

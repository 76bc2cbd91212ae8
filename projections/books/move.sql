-- $1 generation, $2 journal, $3 generation and $4 journal they go to, $5 books or null: all
UPDATE projection.books SET generation = $3, journal = $4
WHERE generation = $1 AND journal = $2 AND ($5::text[] IS NULL OR book = ANY($5))

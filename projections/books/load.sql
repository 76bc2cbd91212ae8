-- $1 generation, $2 journal, $3 books
SELECT book, state, fold_version
FROM projection.books
WHERE generation = $1 AND journal = $2 AND book = ANY($3)

-- $1 generation, $2 journal, $3 after book, $4 limit
SELECT book, state, fold_version FROM projection.books
WHERE generation = $1 AND journal = $2 AND book > $3
ORDER BY book
LIMIT $4

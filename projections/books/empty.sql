-- $1 generation, $2 journal: gives all its rows up
DELETE FROM projection.books WHERE generation = $1 AND journal = $2

-- $1 generation, $2 journal, $3 hash of the rules that count, $4 limit: what was split by others
(SELECT book, state, fold_version FROM projection.books
 WHERE generation = $1 AND journal = $2 AND rules_hash < $3 LIMIT $4)
UNION ALL
(SELECT book, state, fold_version FROM projection.books
 WHERE generation = $1 AND journal = $2 AND rules_hash > $3 LIMIT $4)

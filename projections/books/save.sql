-- $1 generation, $2 journal, $3 books, $4 states, $5 fold version, $6 hash of the rules they were split by
INSERT INTO projection.books (generation, journal, book, state, fold_version, rules_hash)
SELECT $1, $2, u.book, u.state::json, $5, $6 FROM unnest($3::text[], $4::text[]) AS u (book, state)
ON CONFLICT (generation, journal, book) DO UPDATE SET
    state = excluded.state, fold_version = excluded.fold_version, rules_hash = excluded.rules_hash

-- One row a buyer whose orders no subscription keeps together: all of them folded, and the rules they were split into chains by.
CREATE TABLE projection.books (
    generation   int4 NOT NULL,
    journal      int4 NOT NULL,
    book         text NOT NULL,
    state        json NOT NULL,
    fold_version int4 NOT NULL,
    rules_hash   text NOT NULL,
    PRIMARY KEY (generation, journal, book)
) PARTITION BY LIST (generation);
CREATE INDEX books_rules ON projection.books (journal, rules_hash);

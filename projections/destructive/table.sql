-- One row an intent that takes something away: what the guard counts.
CREATE TABLE projection.destructive (
    generation  int4 NOT NULL,
    journal     int4 NOT NULL,
    position    int8 NOT NULL,
    at          timestamptz NOT NULL,
    order_id    text NOT NULL,
    n           int8 NOT NULL,
    action      text NOT NULL,
    announced   bool NOT NULL,
    approved    bool NOT NULL,
    undone      bool NOT NULL,
    PRIMARY KEY (generation, journal, position)
) PARTITION BY LIST (generation);
CREATE INDEX destructive_at ON projection.destructive (journal, at);
CREATE INDEX destructive_order ON projection.destructive (journal, order_id, n);

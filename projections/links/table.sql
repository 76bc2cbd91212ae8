-- Timeless edges: refund → charge → payment intent → invoice → subscription → customer.
CREATE TABLE projection.links (
    generation  int4 NOT NULL,
    journal     int4 NOT NULL,
    child       text NOT NULL,
    parent      text NOT NULL,
    position    int8 NOT NULL,
    PRIMARY KEY (generation, journal, child, parent)
) PARTITION BY LIST (generation);
CREATE INDEX links_parent ON projection.links (journal, parent);

-- Timeless edges: refund → charge → payment intent → invoice → subscription → customer.
-- Each index begins with the end that is asked for: of a young table the planner knows nothing, and
-- takes two indexes with the same beginning for equally good.
CREATE TABLE projection.links (
    generation  int4 NOT NULL,
    journal     int4 NOT NULL,
    child       text NOT NULL,
    parent      text NOT NULL,
    position    int8 NOT NULL,
    PRIMARY KEY (child, generation, journal, parent)
) PARTITION BY LIST (generation);
CREATE INDEX links_parent ON projection.links (parent, generation, journal);

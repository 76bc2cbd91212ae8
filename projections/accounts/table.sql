-- One row a LicenseSpring account whose mode an admin has ever set: the last one said.
CREATE TABLE projection.accounts (
    generation  int4 NOT NULL,
    journal     int4 NOT NULL,
    mode        text NOT NULL,
    said_at     int8 NOT NULL,
    PRIMARY KEY (generation, journal)
) PARTITION BY LIST (generation);

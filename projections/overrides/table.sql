-- One row an override: where it was granted, and where it was withdrawn.
CREATE TABLE projection.overrides (
    generation      int4 NOT NULL,
    journal         int4 NOT NULL,
    id              text NOT NULL,
    subscription_id text NOT NULL,
    granted         int8,
    withdrawn       int8,
    PRIMARY KEY (generation, journal, id)
) PARTITION BY LIST (generation);

-- One row an order of ours at LicenseSpring: intents, outcomes and the last observation.
CREATE TABLE projection.licenses (
    generation      int4 NOT NULL,
    journal         int4 NOT NULL,
    order_id        text NOT NULL,
    source          text NOT NULL,
    subscription_id text NOT NULL,
    license_id      int8,
    state           text NOT NULL,
    record          json NOT NULL,
    open_since      timestamptz,
    recheck_at      timestamptz,
    drifted         bool NOT NULL,
    PRIMARY KEY (generation, journal, order_id)
) PARTITION BY LIST (generation);
CREATE INDEX licenses_subscription ON projection.licenses (journal, source, subscription_id);
CREATE INDEX licenses_open ON projection.licenses (journal, open_since) WHERE open_since IS NOT NULL;
CREATE INDEX licenses_recheck ON projection.licenses (journal, recheck_at) WHERE recheck_at IS NOT NULL;
CREATE INDEX licenses_drifted ON projection.licenses (journal, order_id) WHERE drifted;
CREATE INDEX licenses_enabled ON projection.licenses (journal, source) WHERE state = 'enabled';

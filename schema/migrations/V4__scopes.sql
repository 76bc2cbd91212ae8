-- Rebuilds of one source or one customer, acts that can be repeated without harm, and our own
-- events found without reading everything.

ALTER TABLE control.generations ADD COLUMN scope_journal int4;
COMMENT ON COLUMN control.generations.scope_journal IS 'Set: it holds rows of this journal alone, which are exchanged with the live ones; it never becomes live itself.';

ALTER TABLE control.rebuilds
    ADD COLUMN source text,
    ADD COLUMN customer text,
    ADD COLUMN events int8,
    ADD CONSTRAINT rebuild_customer_has_source CHECK (customer IS NULL OR source IS NOT NULL);
COMMENT ON COLUMN control.rebuilds.events IS 'Of a customer''s rebuild: how many events it was folded from.';

CREATE TABLE control.idempotency (
    token       uuid NOT NULL,
    key         text NOT NULL CONSTRAINT idempotency_key_bounded CHECK (octet_length(key) BETWEEN 1 AND 255),
    request     bytea NOT NULL,
    status      int4,
    answer      text,
    claimed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_age ON control.idempotency (claimed_at);
COMMENT ON TABLE control.idempotency IS 'What acts with an Idempotency-Key were answered, for a day; no status: the act was begun, and nothing is known of its end.';

-- What we wrote ourselves has no headers. A delivery of a provider always has some, so that the
-- index costs its append nothing.
CREATE INDEX events_own ON ledger.events (journal, position) WHERE headers IS NULL AND carrier = position;

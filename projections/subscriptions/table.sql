-- One row a subscription: the folded state, its hashes, and what is due.
CREATE TABLE projection.subscriptions (
    generation         int4 NOT NULL,
    journal            int4 NOT NULL,
    subscription_id    text NOT NULL,
    customer_id        text,
    buyer              text,
    book               text,
    superseded         bool NOT NULL,
    status             text NOT NULL,
    state              text COMPRESSION lz4 NOT NULL,
    state_hash         text NOT NULL,
    fold_hash          text NOT NULL,
    fold_version       int4 NOT NULL,
    unmapped           bool NOT NULL,
    uncertain          bool NOT NULL,
    next_transition_at timestamptz,
    dirty_since        timestamptz,
    version            int8 NOT NULL,
    saved_at           timestamptz NOT NULL,
    PRIMARY KEY (generation, journal, subscription_id)
) PARTITION BY LIST (generation);
CREATE INDEX subscriptions_dirty ON projection.subscriptions (journal, dirty_since) WHERE dirty_since IS NOT NULL;
CREATE INDEX subscriptions_due ON projection.subscriptions (journal, next_transition_at) WHERE next_transition_at IS NOT NULL;
CREATE INDEX subscriptions_customer ON projection.subscriptions (journal, customer_id);
CREATE INDEX subscriptions_book ON projection.subscriptions (journal, book) WHERE book IS NOT NULL;

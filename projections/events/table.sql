-- What became of each event: its status, and the subscription and customer it speaks of.
CREATE TABLE projection.events (
    generation      int4 NOT NULL,
    journal         int4 NOT NULL,
    position        int8 NOT NULL,
    status          text NOT NULL,
    entity          text,
    customer_id     text,
    subscription_id text,
    error           text,
    PRIMARY KEY (generation, journal, position)
) PARTITION BY LIST (generation);
CREATE INDEX events_subscription ON projection.events (journal, subscription_id, position);
CREATE INDEX events_customer ON projection.events (journal, customer_id, position);
CREATE INDEX events_attention ON projection.events (journal, status, position) WHERE status NOT IN ('applied', 'recorded');
CREATE INDEX events_incomplete ON projection.events (journal, position) WHERE status IN ('applied', 'recorded') AND error IS NOT NULL;

-- Which events speak of an entity, so that a subscription can be folded again from its bytes.
CREATE TABLE projection.mentions (
    generation  int4 NOT NULL,
    journal     int4 NOT NULL,
    entity      text NOT NULL,
    position    int8 NOT NULL,
    PRIMARY KEY (generation, journal, entity, position)
) PARTITION BY LIST (generation);

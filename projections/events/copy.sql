-- rows of what became of events, in binary
COPY projection.events (generation, journal, position, status, entity, customer_id, subscription_id, error) FROM STDIN (FORMAT binary)

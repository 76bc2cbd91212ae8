-- which events speak of which entity, in binary
COPY projection.mentions (generation, journal, entity, position) FROM STDIN (FORMAT binary)

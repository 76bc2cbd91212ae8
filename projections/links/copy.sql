-- edges that are not there yet, in binary
COPY projection.links (generation, journal, child, parent, position) FROM STDIN (FORMAT binary)

-- $1 id, $2 generation, $3 promote, $4 who, $5 reason, $6 source or null, $7 customer or null
INSERT INTO control.rebuilds (id, generation, state, promote, who, reason, source, customer)
VALUES ($1, $2, 'building', $3, $4, $5, $6, $7)

-- $1 id, $2 generation, $3 promote, $4 who, $5 reason
INSERT INTO control.rebuilds (id, generation, state, promote, who, reason) VALUES ($1, $2, 'building', $3, $4, $5)

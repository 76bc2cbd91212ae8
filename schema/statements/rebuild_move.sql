-- $1 id, $2 states it may be in, $3 state it moves to, $4 differences, $5 calls
UPDATE control.rebuilds
SET state = $3, differences = coalesce($4, differences), calls = coalesce($5, calls),
    ready_at = CASE WHEN $3 = 'ready' THEN clock_timestamp() ELSE ready_at END
WHERE id = $1 AND state = ANY($2)

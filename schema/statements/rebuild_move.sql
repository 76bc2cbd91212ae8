-- $1 id, $2 states it may be in, $3 state it moves to, $4 differences, $5 calls, $6 events
UPDATE control.rebuilds
SET state = $3, differences = coalesce($4, differences), calls = coalesce($5, calls), events = coalesce($6, events),
    ready_at = CASE WHEN $3 = 'ready' THEN clock_timestamp() ELSE ready_at END
WHERE id = $1 AND state = ANY($2)

-- $1 id, $2 from states, $3 to
UPDATE control.plans SET state = $3, changed_at = clock_timestamp() WHERE id = $1 AND state = ANY($2)

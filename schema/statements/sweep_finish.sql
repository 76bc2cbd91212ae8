-- $1 id, $2 state, $3 rows seen, $4 problem, $5 findings
UPDATE control.sweeps SET state = $2, finished_at = clock_timestamp(), rows_seen = $3, problem = $4, findings = $5::text::json WHERE id = $1

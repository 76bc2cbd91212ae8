-- $1 id, $2 to, $3 approved, $4 who, $5 why
UPDATE control.plans
SET state = $2, approved = $3, decided_by = $4, decided_why = $5, decided_at = clock_timestamp(), changed_at = clock_timestamp()
WHERE id = $1

-- $1 journal, $2 positions, repeated as often as they came again
INSERT INTO control.duplicates (journal, position, copies, last_at)
SELECT $1, u.position, count(*), clock_timestamp() FROM unnest($2::int8[]) AS u (position) GROUP BY u.position
ON CONFLICT (journal, position) DO UPDATE SET copies = duplicates.copies + excluded.copies, last_at = excluded.last_at

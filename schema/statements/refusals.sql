-- $1 limit, $2 before instant or null, $3 and slot
SELECT slot, refused_at, source, code, detail, remote, body_bytes FROM control.refusals
WHERE $2::timestamptz IS NULL OR (refused_at, slot) < ($2, $3::int4)
ORDER BY refused_at DESC, slot DESC
LIMIT $1

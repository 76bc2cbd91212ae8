-- $1 limit
SELECT refused_at, source, code, detail, remote, body_bytes FROM control.refusals ORDER BY refused_at DESC LIMIT $1

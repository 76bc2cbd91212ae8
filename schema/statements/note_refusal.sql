-- $1 ring size, $2 refused at, $3 source, $4 code, $5 detail, $6 remote, $7 body bytes
INSERT INTO control.refusals (slot, refused_at, source, code, detail, remote, body_bytes)
VALUES ((nextval('control.refusal_number') % $1::int8)::int4, $2, $3, $4, $5, $6, $7)
ON CONFLICT (slot) DO UPDATE SET refused_at = excluded.refused_at, source = excluded.source, code = excluded.code,
    detail = excluded.detail, remote = excluded.remote, body_bytes = excluded.body_bytes

-- $1 plan, $2 sources, $3 subscription ids, $4 ordinals, $5 entries, $6 hashes, $7 ops, $8 destructive, $9 announced
INSERT INTO control.plan_entries (plan, source, subscription_id, ordinal, entry, hash, op, destructive, announced)
SELECT $1, u.source, u.subscription_id, u.ordinal, u.entry::json, u.hash, u.op, u.destructive, u.announced
FROM unnest($2::text[], $3::text[], $4::int4[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::bool[])
     AS u (source, subscription_id, ordinal, entry, hash, op, destructive, announced)

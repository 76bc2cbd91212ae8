-- $1 generation, $2 journal, $3 order ids, $4 sources, $5 subscription ids, $6 license ids, $7 states, $8 records, $9 open since, $10 recheck at, $11 drifted
INSERT INTO projection.licenses (generation, journal, order_id, source, subscription_id, license_id, state, record, open_since, recheck_at, drifted)
SELECT $1, $2, u.order_id, u.source, u.subscription, u.license_id, u.state, u.record::json, u.open_since, u.recheck_at, u.drifted
FROM unnest($3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bool[])
     AS u (order_id, source, subscription, license_id, state, record, open_since, recheck_at, drifted)
ON CONFLICT (generation, journal, order_id) DO UPDATE SET
    license_id = excluded.license_id, state = excluded.state, record = excluded.record, open_since = excluded.open_since,
    recheck_at = excluded.recheck_at, drifted = excluded.drifted

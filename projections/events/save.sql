-- $1 generation, $2 journal, $3 positions, $4 statuses, $5 entities, $6 customer ids, $7 subscription ids, $8 errors
INSERT INTO projection.events (generation, journal, position, status, entity, customer_id, subscription_id, error)
SELECT $1, $2, u.position, u.status, u.entity, u.customer, u.subscription, u.error
FROM unnest($3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS u (position, status, entity, customer, subscription, error)
ON CONFLICT (generation, journal, position) DO UPDATE SET
    status = excluded.status, entity = excluded.entity, customer_id = excluded.customer_id,
    subscription_id = excluded.subscription_id, error = excluded.error

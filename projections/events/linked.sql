-- $1 generation, $2 journal, $3 positions, $4 subscription ids, $5 customer ids: what was unlinked has found its subscription
UPDATE projection.events e
SET status = 'applied', subscription_id = u.subscription, customer_id = coalesce(e.customer_id, u.customer)
FROM unnest($3::int8[], $4::text[], $5::text[]) AS u (position, subscription, customer)
WHERE e.generation = $1 AND e.journal = $2 AND e.position = ANY ($3::int8[]) AND e.position = u.position AND e.status = 'unlinked'

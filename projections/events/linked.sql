-- $1 generation, $2 journal, $3 positions, $4 subscription ids, $5 customer ids, $6 whether it speaks of the subscription itself: what was
-- unlinked has found its subscription; what was a buyer's, split among chains, and is a subscription's own now, goes over to it
UPDATE projection.events e
SET status = 'applied', subscription_id = u.subscription, customer_id = coalesce(e.customer_id, u.customer)
FROM unnest($3::int8[], $4::text[], $5::text[], $6::bool[]) AS u (position, subscription, customer, own)
WHERE e.generation = $1 AND e.journal = $2 AND e.position = ANY ($3::int8[]) AND e.position = u.position
  AND (e.status = 'unlinked'
       OR (u.own AND e.status = 'applied' AND e.subscription_id <> u.subscription
           AND EXISTS (SELECT 1 FROM projection.subscriptions s
                       WHERE s.generation = $1 AND s.journal = $2 AND s.subscription_id = e.subscription_id AND s.book IS NOT NULL)))

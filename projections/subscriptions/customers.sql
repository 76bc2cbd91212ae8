-- $1 generation, $2 journal, $3 after customer, $4 limit, $5 text or null: beginning of the id, or a subscription; $6 the same as
-- buyers are kept: part of what is known of them
SELECT customer_id, count(*) AS subscriptions, array_agg(DISTINCT status) AS statuses
FROM projection.subscriptions
WHERE generation = $1 AND journal = $2 AND customer_id > $3 AND NOT superseded
  AND ($5::text IS NULL
       OR customer_id IN (SELECT customer_id FROM projection.subscriptions
                          WHERE generation = $1 AND journal = $2 AND NOT superseded
                            AND (starts_with(customer_id, $5) OR subscription_id = $5 OR position($6::text IN buyer) > 0)))
GROUP BY customer_id
ORDER BY customer_id
LIMIT $4

-- $1 generations, $2 journal, $3 customer, $4 the customer's entity, $5 their books: the subscriptions that are theirs, are tied to
-- them by an edge, or are chains of these books
SELECT subscription_id FROM projection.subscriptions
WHERE generation = ANY($1) AND journal = $2 AND (customer_id = $3 OR book = ANY($5))
UNION
SELECT substr(child, 5) FROM projection.links
WHERE generation = ANY($1) AND journal = $2 AND parent = $4 AND child LIKE 'sub:%'

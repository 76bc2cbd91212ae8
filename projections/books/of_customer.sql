-- $1 generations, $2 journal, $3 customer, $4 the customer's entity: the books that hold their orders
SELECT book FROM projection.subscriptions
WHERE generation = ANY($1) AND journal = $2 AND customer_id = $3 AND book IS NOT NULL
UNION
SELECT substr(child, 6) FROM projection.links
WHERE generation = ANY($1) AND journal = $2 AND parent = $4 AND child LIKE 'book:%'

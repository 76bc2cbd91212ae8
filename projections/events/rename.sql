-- $1 generation, $2 journal, $3 subscription ids, $4 what each is called now
UPDATE projection.events e
SET subscription_id = u.new
FROM unnest($3::text[], $4::text[]) AS u (old, new)
WHERE e.generation = $1 AND e.journal = $2 AND e.subscription_id = u.old

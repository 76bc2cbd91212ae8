-- $1 id or null, $2 account or null, $3 states or null, $4 limit; the hash is that of all entries in their order
SELECT p.id, p.account, p.state, p.who, p.reason, p.created_at, p.changed_at, p.approved, p.decided_by, p.decided_why, p.decided_at,
       e.creates, e.updates, e.deactivates, e.destructive, e.announced, e.open, e.dropped, e.hash
FROM control.plans p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE op = '+') AS creates, count(*) FILTER (WHERE op = '~') AS updates,
           count(*) FILTER (WHERE op = '-') AS deactivates,
           count(*) FILTER (WHERE destructive AND NOT announced) AS destructive, count(*) FILTER (WHERE announced) AS announced,
           count(*) FILTER (WHERE result IS NULL) AS open, count(*) FILTER (WHERE result <> 'done') AS dropped,
           encode(sha256(convert_to(coalesce(string_agg(hash, ',' ORDER BY source, subscription_id, ordinal), ''), 'UTF8')), 'hex') AS hash
    FROM control.plan_entries WHERE plan = p.id
) e
WHERE ($1::uuid IS NULL OR p.id = $1) AND ($2::text IS NULL OR p.account = $2) AND ($3::text[] IS NULL OR p.state = ANY($3))
ORDER BY p.created_at DESC
LIMIT $4

-- $1 generation, $2 journal, $3 since an hour ago, $4 since a day ago
SELECT count(*) FILTER (WHERE at > $3 AND NOT announced) AS hour,
       count(*) FILTER (WHERE NOT announced) AS day,
       count(*) FILTER (WHERE announced) AS announced_day
FROM projection.destructive
WHERE generation = $1 AND journal = $2 AND at > $4 AND NOT undone AND NOT approved

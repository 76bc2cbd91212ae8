-- $1 generation, $2 journal, $3 since an hour ago: the licenses that are enabled, and those that were until we switched them off since
SELECT (SELECT count(*) FROM projection.licenses WHERE generation = $1 AND journal = $2 AND state = 'enabled')
     + (SELECT count(*) FROM projection.destructive
        WHERE generation = $1 AND journal = $2 AND at > $3 AND NOT undone AND action = 'disable') AS enabled

-- $1 generation, $2 journal, $3 id, $4 subscription id, $5 position of the grant or null, $6 position of the withdrawal or null
INSERT INTO projection.overrides (generation, journal, id, subscription_id, granted, withdrawn)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (generation, journal, id) DO UPDATE SET
    granted = coalesce(overrides.granted, excluded.granted), withdrawn = coalesce(overrides.withdrawn, excluded.withdrawn)

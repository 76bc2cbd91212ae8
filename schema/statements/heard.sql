-- $1 journal of a source: when its provider was last heard of; what admins said there does not count
SELECT received_at FROM ledger.events WHERE journal = $1 AND type NOT LIKE 'override\_%' ORDER BY position DESC LIMIT 1

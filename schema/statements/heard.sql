-- $1 journal of a source: when its provider was last heard of; events of our own have no headers, and do not count
SELECT received_at FROM ledger.events WHERE journal = $1 AND NOT (carrier = position AND headers IS NULL) ORDER BY position DESC LIMIT 1

-- $1 journal, $2 carrier: the parts of a delivery in order
SELECT part, bytes FROM ledger.bodies WHERE journal = $1 AND position = $2 ORDER BY part

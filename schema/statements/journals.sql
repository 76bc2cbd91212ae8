SELECT id, name, kind FROM ledger.journals ORDER BY id

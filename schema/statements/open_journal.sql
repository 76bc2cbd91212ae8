-- $1 name, $2 kind
SELECT ledger.open_journal($1, $2) AS id

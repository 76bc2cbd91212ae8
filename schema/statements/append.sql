-- $1 journal, $2 expected tail or null, $3..$9 events, $10..$13 deliveries, $14..$16 parts
SELECT o_position, o_is_new, o_is_variant, o_recorded_at
FROM ledger.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

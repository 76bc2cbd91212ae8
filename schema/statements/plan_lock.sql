-- $1 id: nobody joins or decides it until this transaction ends
SELECT id FROM control.plans WHERE id = $1 FOR UPDATE

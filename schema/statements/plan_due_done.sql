-- $1 ids: these plans are saved
DELETE FROM control.plans_due WHERE id = ANY($1)

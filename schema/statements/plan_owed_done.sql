-- $1 ids: these plans are saved
DELETE FROM control.plans_owed WHERE id = ANY($1)

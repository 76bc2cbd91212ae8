-- $1 ids: not saved; somebody else may try
UPDATE control.plans_owed SET taken_at = NULL WHERE id = ANY($1)

-- Rows were promoted: what follows from them is saved as a plan, for a look, before anything else is done about it.
CREATE TABLE control.plans_owed (
    id       int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account  text NOT NULL,
    reason   text NOT NULL,
    taken_at timestamptz
);
COMMENT ON TABLE control.plans_owed IS 'Plans that a promotion owes: by account, until they are saved.';

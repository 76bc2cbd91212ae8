-- Plans, sweeps and budgets: what the reconciler is asked for, and how far it is.

CREATE TABLE control.plans (
    id          uuid PRIMARY KEY,
    account     text NOT NULL,
    state       text NOT NULL CONSTRAINT plan_state_known
                CHECK (state IN ('proposed', 'held', 'approved', 'applying', 'applied', 'stale', 'rejected')),
    who         text NOT NULL,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    approved    bool NOT NULL DEFAULT false,
    decided_by  text,
    decided_why text,
    decided_at  timestamptz
);
CREATE UNIQUE INDEX plans_one_held ON control.plans (account) WHERE state = 'held';
CREATE INDEX plans_created ON control.plans (created_at);
COMMENT ON TABLE control.plans IS 'Saved plans: the calls that would make licenses equal entitlements, to be looked at before they are made.';

CREATE TABLE control.plan_entries (
    plan            uuid NOT NULL REFERENCES control.plans (id) ON DELETE CASCADE,
    source          text NOT NULL,
    subscription_id text NOT NULL,
    ordinal         int4 NOT NULL,
    entry           json NOT NULL,
    hash            text NOT NULL,
    op              text NOT NULL,
    destructive     bool NOT NULL,
    announced       bool NOT NULL,
    result          text,
    PRIMARY KEY (plan, source, subscription_id, ordinal)
);
COMMENT ON COLUMN control.plan_entries.result IS 'done, or why not; null: not tried yet.';

CREATE TABLE control.sweeps (
    id          uuid PRIMARY KEY,
    account     text NOT NULL,
    kind        text NOT NULL CONSTRAINT sweep_kind_known CHECK (kind IN ('full', 'incremental')),
    state       text NOT NULL CONSTRAINT sweep_state_known CHECK (state IN ('queued', 'running', 'done', 'failed')),
    who         text NOT NULL,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at  timestamptz,
    finished_at timestamptz,
    rows_seen   int8 NOT NULL DEFAULT 0,
    problem     text,
    findings    json
);
CREATE INDEX sweeps_created ON control.sweeps (created_at);
COMMENT ON TABLE control.sweeps IS 'Readings of everything LicenseSpring holds, to find what was not done by us.';

-- The budget leaves the row that is locked while its reconciler works: what a call cost is kept
-- before it is made, and a process that dies takes nothing of it along.
CREATE TABLE control.budgets (
    account      text PRIMARY KEY,
    tokens_milli int8 NOT NULL,
    refilled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before   timestamptz NOT NULL DEFAULT 'epoch',
    failures     int4 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE control.budgets IS 'One row a LicenseSpring account: the call budget, and how long it is left alone.';
INSERT INTO control.budgets (account, tokens_milli, refilled_at, not_before)
    SELECT account, tokens_milli, refilled_at, not_before FROM control.reconcilers;
ALTER TABLE control.reconcilers DROP COLUMN tokens_milli, DROP COLUMN refilled_at, DROP COLUMN not_before;
COMMENT ON TABLE control.reconcilers IS 'One row a LicenseSpring account: its lock makes one reconciler active.';

-- Control: who may come in, how far the loops are, and what was refused. Rebuilt by an admin
-- in an hour, if it must be; no event depends on it.

CREATE SCHEMA control;

CREATE TABLE control.tokens (
    id          uuid PRIMARY KEY,
    name        text NOT NULL CONSTRAINT token_name_bounded CHECK (octet_length(name) BETWEEN 1 AND 200),
    role        text NOT NULL CONSTRAINT token_role_known CHECK (role IN ('auditor', 'admin')),
    hash        bytea NOT NULL CONSTRAINT token_hash_unique UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz,
    revoked_at  timestamptz
);

CREATE TABLE control.generations (
    generation  int4 PRIMARY KEY CONSTRAINT generation_positive CHECK (generation > 0),
    state       text NOT NULL CONSTRAINT generation_state_known
                CHECK (state IN ('building', 'ready', 'live', 'previous', 'dropped')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    promoted_at timestamptz
);

CREATE TABLE control.live (
    journal     int4 PRIMARY KEY,
    generation  int4 NOT NULL REFERENCES control.generations (generation)
);
COMMENT ON TABLE control.live IS 'Which generation of the projections is read, journal by journal; promoted by swapping these rows.';

CREATE TABLE control.checkpoints (
    generation  int4 NOT NULL REFERENCES control.generations (generation),
    journal     int4 NOT NULL,
    position    int8 NOT NULL DEFAULT 0,
    caught_up   bool NOT NULL DEFAULT false,
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (generation, journal)
) WITH (fillfactor = 50);
COMMENT ON TABLE control.checkpoints IS 'How far a projector has read a journal into a generation; its row lock is the lease.';
COMMENT ON COLUMN control.checkpoints.caught_up IS 'It has once reached the tail: until then no call is made from what it says.';

CREATE TABLE control.reconcilers (
    account      text PRIMARY KEY,
    tokens_milli int8 NOT NULL,
    refilled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before   timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 50);
COMMENT ON TABLE control.reconcilers IS 'One row a LicenseSpring account: its lock makes one reconciler active, its columns are the call budget.';

CREATE TABLE control.refusals (
    slot        int4 PRIMARY KEY,
    refused_at  timestamptz NOT NULL,
    source      text NOT NULL,
    code        text NOT NULL,
    detail      text NOT NULL,
    remote      text,
    body_bytes  int8
);
COMMENT ON TABLE control.refusals IS 'A bounded ring of deliveries that were turned away; they are not events.';
CREATE SEQUENCE control.refusal_number;

CREATE TABLE control.duplicates (
    journal     int4 NOT NULL,
    position    int8 NOT NULL,
    copies      int8 NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (journal, position)
);

CREATE TABLE control.rebuilds (
    id           uuid PRIMARY KEY,
    generation   int4 NOT NULL REFERENCES control.generations (generation),
    state        text NOT NULL CONSTRAINT rebuild_state_known
                 CHECK (state IN ('building', 'catching_up', 'ready', 'promoted', 'cancelled', 'rolled_back', 'failed')),
    promote      text NOT NULL CONSTRAINT rebuild_promote_known CHECK (promote IN ('manual', 'when_equal', 'always')),
    who          text NOT NULL,
    reason       text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at     timestamptz,
    differences  int8,
    calls        int8
);
COMMENT ON TABLE control.rebuilds IS 'Rebuilds asked for by an admin; their work is the projector''s, so that a restart goes on with it.';

-- The whole schema as one file: what the steps in migrations/, the tables in ../projections and
-- grants.sql come to. For reading; `make schema` writes it, and tests/it/schema.rs proves that
-- it is what the steps make.

CREATE SCHEMA control;

CREATE SCHEMA ledger;

CREATE SCHEMA projection;

CREATE FUNCTION control.analyze_generation(p_generation integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_table text;
BEGIN
    -- Sizes are wanted, not histograms: a small sample will do.
    PERFORM set_config('default_statistics_target', '10', true);
    ANALYZE ledger.events, ledger.bodies;
    FOR v_table IN SELECT c.relname || '_g' || p_generation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'projection' AND c.relkind = 'p' ORDER BY 1 LOOP
        IF to_regclass(format('projection.%I', v_table)) IS NOT NULL THEN
            EXECUTE format('ANALYZE projection.%I', v_table);
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION control.drop_generation(p_generation integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_table text;
BEGIN
    IF EXISTS (SELECT 1 FROM control.live l WHERE l.generation = p_generation) THEN
        RAISE EXCEPTION 'generation_is_live: %', p_generation USING ERRCODE = 'SL005';
    END IF;
    SELECT c.relname || '_g' || p_generation INTO v_table
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'projection' AND c.relkind = 'p'
      AND to_regclass(format('projection.%I', c.relname || '_g' || p_generation)) IS NOT NULL
    ORDER BY 1 LIMIT 1;
    IF v_table IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS projection.%I', v_table);
    RETURN true;
END $$;

CREATE FUNCTION control.open_generation(p_generation integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_table     text;
    v_partition text;
BEGIN
    FOR v_table IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'projection' AND c.relkind = 'p' ORDER BY 1 LOOP
        v_partition := v_table || '_g' || p_generation;
        EXECUTE format('CREATE TABLE projection.%I (LIKE projection.%I INCLUDING ALL)', v_partition, v_table);
        EXECUTE format('ALTER TABLE projection.%I ATTACH PARTITION projection.%I FOR VALUES IN (%s)',
                       v_table, v_partition, p_generation);
    END LOOP;
END $$;

CREATE FUNCTION ledger.append(p_journal integer, p_expect_tail bigint, p_dedupe_key text[], p_external_id text[], p_type text[], p_occurred_at timestamp with time zone[], p_livemode boolean[], p_delivery integer[], p_part integer[], d_received_at timestamp with time zone[], d_headers text[], d_cuts text[], d_first integer[], b_salt bytea[], b_commitment bytea[], b_bytes bytea[]) RETURNS TABLE(o_position bigint, o_is_new boolean, o_is_variant boolean, o_recorded_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'ledger', 'pg_temp'
    AS $$
DECLARE
    variants_max CONSTANT int4 := 8;
    -- From so many events on, setting up a statement for all of them costs less than one for each.
    together_min CONSTANT int4 := 8;
    v_count    CONSTANT int4 := coalesce(array_length(p_dedupe_key, 1), 0);
    v_tail     int8;
    v_time     timestamptz;
    v_now      timestamptz;
    v_carriers int8[] := '{}';
    v_carrier  int8;
    v_d        int4;
    v_own      int4;
    v_first    int4;
    v_last     int4;
    v_part     int4;
    v_known    bytea;
    v_salt     bytea;
    b_carrier  int8[] := '{}';
    b_part     int4[] := '{}';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'ledger_needs_read_committed: an older snapshot cannot see the tail' USING ERRCODE = 'SL004';
    END IF;
    -- In the body, not in a SET clause, which would be undone before the commit it is meant for.
    PERFORM set_config('synchronous_commit', 'on', true);
    -- The lock comes before the number, in a statement of its own: position order is commit order.
    PERFORM 1 FROM ledger.journals j WHERE j.id = p_journal FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'journal_unknown: %', p_journal USING ERRCODE = 'SL003';
    END IF;
    SELECT e.position, e.recorded_at INTO v_tail, v_time
        FROM ledger.events e WHERE e.journal = p_journal ORDER BY e.position DESC LIMIT 1;
    v_tail := coalesce(v_tail, 0);
    IF p_expect_tail <> v_tail THEN
        RAISE EXCEPTION 'ledger_tail_moved: expected %, is %', p_expect_tail, v_tail USING ERRCODE = 'SL001';
    END IF;

    -- Nearly always all of a batch is new, and goes in with two statements; else it is taken event by event.
    IF v_count >= together_min
        AND (SELECT count(*) FROM (SELECT DISTINCT k FROM unnest(p_dedupe_key) k) keys) = v_count
        AND NOT EXISTS (SELECT 1 FROM unnest(p_dedupe_key) k
                        WHERE EXISTS (SELECT 1 FROM ledger.events e WHERE e.journal = p_journal AND e.dedupe_key = k OFFSET 0))
    THEN
        v_now := greatest(clock_timestamp(), v_time);
        FOR i IN 1 .. v_count LOOP
            v_d := p_delivery[i];
            IF v_carriers[v_d] IS NULL THEN
                v_carriers[v_d] := v_tail + i;
                FOR k IN d_first[v_d] .. d_first[v_d + 1] - 1 LOOP
                    b_carrier[k] := v_tail + i;
                    b_part[k] := k - d_first[v_d];
                END LOOP;
            END IF;
        END LOOP;
        INSERT INTO ledger.events (journal, position, dedupe_key, external_id, type, occurred_at, livemode,
                                   received_at, recorded_at, carrier, part, headers, cuts, commitments)
            SELECT p_journal, n.position, n.dedupe_key, n.external_id, n.type, n.occurred_at, n.livemode,
                   d_received_at[n.d], v_now, n.carrier, n.part,
                   CASE WHEN n.carrier = n.position THEN d_headers[n.d] END,
                   CASE WHEN n.carrier = n.position THEN d_cuts[n.d]::int4[] END,
                   CASE WHEN n.carrier <> n.position OR d_first[n.d + 1] - d_first[n.d] = 1
                        THEN ARRAY[b_commitment[d_first[n.d] + n.part]]
                        ELSE b_commitment[d_first[n.d] : d_first[n.d + 1] - 1] END
            FROM (SELECT u.*, v_tail + u.i AS position, v_carriers[u.d] AS carrier
                  FROM (SELECT generate_series(1, v_count) AS i, unnest(p_dedupe_key) AS dedupe_key,
                               unnest(p_external_id) AS external_id, unnest(p_type) AS type,
                               unnest(p_occurred_at) AS occurred_at, unnest(p_livemode) AS livemode,
                               unnest(p_delivery) AS d, unnest(p_part) AS part) u) n;
        INSERT INTO ledger.bodies (journal, position, part, salt, bytes)
            SELECT p_journal, unnest(b_carrier), unnest(b_part), unnest(b_salt), unnest(b_bytes);
        RETURN QUERY SELECT v_tail + i, true, false, v_now FROM generate_series(1, v_count) i;
        RETURN;
    END IF;

    FOR i IN 1 .. v_count LOOP
        v_d := p_delivery[i];
        v_first := d_first[v_d];
        v_last := d_first[v_d + 1] - 1;
        v_own := v_first + p_part[i];
        v_carrier := v_carriers[v_d];
        v_now := greatest(clock_timestamp(), v_time);
        INSERT INTO ledger.events (journal, position, dedupe_key, external_id, type, occurred_at, livemode,
                                   received_at, recorded_at, carrier, part, headers, cuts, commitments)
            VALUES (p_journal, v_tail + 1, p_dedupe_key[i], p_external_id[i], p_type[i], p_occurred_at[i], p_livemode[i],
                    d_received_at[v_d], v_now, coalesce(v_carrier, v_tail + 1), p_part[i],
                    CASE WHEN v_carrier IS NULL THEN d_headers[v_d] END,
                    CASE WHEN v_carrier IS NULL THEN d_cuts[v_d]::int4[] END,
                    CASE WHEN v_carrier IS NULL THEN b_commitment[v_first : v_last] ELSE ARRAY[b_commitment[v_own]] END)
            ON CONFLICT (journal, dedupe_key) DO NOTHING;
        IF FOUND THEN
            v_tail := v_tail + 1;
            v_time := v_now;
            IF v_carrier IS NULL THEN
                v_carriers[v_d] := v_tail;
                FOR k IN v_first .. v_last LOOP
                    INSERT INTO ledger.bodies (journal, position, part, salt, bytes)
                        VALUES (p_journal, v_tail, k - v_first, b_salt[k], b_bytes[k]);
                END LOOP;
            END IF;
            o_position := v_tail; o_is_new := true; o_is_variant := false; o_recorded_at := v_now;
        ELSE
            SELECT e.position, e.recorded_at, e.carrier, e.part,
                   e.commitments[CASE WHEN e.carrier = e.position THEN e.part + 1 ELSE 1 END]
                INTO STRICT o_position, o_recorded_at, v_carrier, v_part, v_known
                FROM ledger.events e WHERE e.journal = p_journal AND e.dedupe_key = p_dedupe_key[i];
            o_is_new := false;
            SELECT b.salt INTO v_salt
                FROM ledger.bodies b WHERE b.journal = p_journal AND b.position = v_carrier AND b.part = v_part;
            o_is_variant := FOUND AND sha256(v_salt || b_bytes[v_own]) <> v_known;
            IF o_is_variant AND (SELECT count(*) FROM ledger.variants v
                                 WHERE v.journal = p_journal AND v.position = o_position) < variants_max THEN
                INSERT INTO ledger.variants (journal, position, commitment, received_at, headers, bytes)
                    VALUES (p_journal, o_position, sha256(v_salt || b_bytes[v_own]), d_received_at[v_d], d_headers[v_d], b_bytes[v_own])
                    ON CONFLICT (journal, position, commitment) DO NOTHING;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION ledger.open_journal(p_name text, p_kind text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'ledger', 'pg_temp'
    AS $$
DECLARE
    v_id   int4;
    v_kind text;
BEGIN
    SELECT j.id, j.kind INTO v_id, v_kind FROM ledger.journals j WHERE j.name = p_name;
    IF v_id IS NULL THEN
        LOCK TABLE ledger.journals IN SHARE ROW EXCLUSIVE MODE;
        SELECT j.id, j.kind INTO v_id, v_kind FROM ledger.journals j WHERE j.name = p_name;
        IF v_id IS NULL THEN
            INSERT INTO ledger.journals (id, name, kind)
                SELECT coalesce(max(j.id), 0) + 1, p_name, p_kind FROM ledger.journals j
                RETURNING journals.id, journals.kind INTO v_id, v_kind;
        END IF;
    END IF;
    IF v_kind <> p_kind THEN
        RAISE EXCEPTION 'journal_kind_differs: % is a journal of kind %', p_name, v_kind USING ERRCODE = 'SL003';
    END IF;
    RETURN v_id;
END $$;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'ledger_is_append_only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'SL002';
END $$;

CREATE TABLE control.budgets (
    account text NOT NULL,
    tokens_milli bigint NOT NULL,
    refilled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    not_before timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    failures integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE control.budgets IS 'One row a LicenseSpring account: the call budget, and how long it is left alone.';

CREATE TABLE control.checkpoints (
    generation integer NOT NULL,
    journal integer NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    caught_up boolean DEFAULT false NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE control.checkpoints IS 'How far a projector has read a journal into a generation; its row lock is the lease.';

COMMENT ON COLUMN control.checkpoints.caught_up IS 'It has once reached the tail: until then no call is made from what it says.';

CREATE TABLE control.duplicates (
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    copies bigint NOT NULL,
    last_at timestamp with time zone NOT NULL
);

CREATE TABLE control.generations (
    generation integer NOT NULL,
    state text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    promoted_at timestamp with time zone,
    scope_journal integer,
    CONSTRAINT generation_positive CHECK ((generation > 0)),
    CONSTRAINT generation_state_known CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text, 'live'::text, 'previous'::text, 'dropped'::text])))
);

COMMENT ON COLUMN control.generations.scope_journal IS 'Set: it holds rows of this journal alone, which are exchanged with the live ones; it never becomes live itself.';

CREATE TABLE control.idempotency (
    token uuid NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    status integer,
    answer text,
    claimed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT idempotency_key_bounded CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 255)))
);

COMMENT ON TABLE control.idempotency IS 'What acts with an Idempotency-Key were answered, for a day; no status: the act was begun, and nothing is known of its end.';

CREATE TABLE control.live (
    journal integer NOT NULL,
    generation integer NOT NULL
);

COMMENT ON TABLE control.live IS 'Which generation of the projections is read, journal by journal; promoted by swapping these rows.';

CREATE TABLE control.plan_entries (
    plan uuid NOT NULL,
    source text NOT NULL,
    subscription_id text NOT NULL,
    ordinal integer NOT NULL,
    entry json NOT NULL,
    hash text NOT NULL,
    op text NOT NULL,
    destructive boolean NOT NULL,
    announced boolean NOT NULL,
    result text
);

COMMENT ON COLUMN control.plan_entries.result IS 'done, or why not; null: not tried yet.';

CREATE TABLE control.plans (
    id uuid NOT NULL,
    account text NOT NULL,
    state text NOT NULL,
    who text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    approved boolean DEFAULT false NOT NULL,
    decided_by text,
    decided_why text,
    decided_at timestamp with time zone,
    CONSTRAINT plan_state_known CHECK ((state = ANY (ARRAY['proposed'::text, 'held'::text, 'approved'::text, 'applying'::text, 'applied'::text, 'stale'::text, 'rejected'::text])))
);

COMMENT ON TABLE control.plans IS 'Saved plans: the calls that would make licenses equal entitlements, to be looked at before they are made.';

CREATE TABLE control.plans_owed (
    id bigint NOT NULL,
    account text NOT NULL,
    reason text NOT NULL,
    taken_at timestamp with time zone
);

COMMENT ON TABLE control.plans_owed IS 'Plans that a promotion owes: by account, until they are saved.';

ALTER TABLE control.plans_owed ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME control.plans_owed_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE control.projection_tables (
    one boolean DEFAULT true NOT NULL,
    digest text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT one_row CHECK (one)
);

COMMENT ON TABLE control.projection_tables IS 'Digest of the table definitions the projection schema was made from; another digest means: drop and refill.';

CREATE TABLE control.rebuilds (
    id uuid NOT NULL,
    generation integer NOT NULL,
    state text NOT NULL,
    promote text NOT NULL,
    who text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ready_at timestamp with time zone,
    differences bigint,
    calls bigint,
    source text,
    customer text,
    events bigint,
    CONSTRAINT rebuild_customer_has_source CHECK (((customer IS NULL) OR (source IS NOT NULL))),
    CONSTRAINT rebuild_promote_known CHECK ((promote = ANY (ARRAY['manual'::text, 'when_equal'::text, 'always'::text]))),
    CONSTRAINT rebuild_state_known CHECK ((state = ANY (ARRAY['building'::text, 'catching_up'::text, 'ready'::text, 'promoted'::text, 'cancelled'::text, 'rolled_back'::text, 'failed'::text])))
);

COMMENT ON TABLE control.rebuilds IS 'Rebuilds asked for by an admin; their work is the projector''s, so that a restart goes on with it.';

COMMENT ON COLUMN control.rebuilds.events IS 'Of a customer''s rebuild: how many events it was folded from.';

CREATE TABLE control.reconcilers (
    account text NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE control.reconcilers IS 'One row a LicenseSpring account: its lock makes one reconciler active.';

CREATE SEQUENCE control.refusal_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE control.refusals (
    slot integer NOT NULL,
    refused_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    remote text,
    body_bytes bigint
);

COMMENT ON TABLE control.refusals IS 'A bounded ring of deliveries that were turned away; they are not events.';

CREATE TABLE control.sweeps (
    id uuid NOT NULL,
    account text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    who text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    rows_seen bigint DEFAULT 0 NOT NULL,
    problem text,
    findings json,
    looked_at timestamp with time zone,
    CONSTRAINT sweep_kind_known CHECK ((kind = ANY (ARRAY['full'::text, 'incremental'::text]))),
    CONSTRAINT sweep_state_known CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

COMMENT ON TABLE control.sweeps IS 'Readings of everything LicenseSpring holds, to find what was not done by us.';

CREATE TABLE control.tokens (
    id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT token_name_bounded CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT token_role_known CHECK ((role = ANY (ARRAY['auditor'::text, 'admin'::text])))
);

CREATE TABLE ledger.bodies (
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    part integer NOT NULL,
    salt bytea NOT NULL,
    key_id integer,
    codec smallint DEFAULT 0 NOT NULL,
    bytes bytea NOT NULL,
    CONSTRAINT body_codec_known CHECK ((codec = 0)),
    CONSTRAINT body_salt_is_16_bytes CHECK ((octet_length(salt) = 16))
);
ALTER TABLE ONLY ledger.bodies ALTER COLUMN bytes SET COMPRESSION lz4;

COMMENT ON TABLE ledger.bodies IS 'The bytes, once: a delivery cut into parts, held under its carrier; concatenated they are the request body.';

CREATE TABLE ledger.events (
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    dedupe_key text NOT NULL,
    external_id text NOT NULL,
    type text NOT NULL,
    occurred_at timestamp with time zone,
    livemode boolean,
    received_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    carrier bigint NOT NULL,
    part integer NOT NULL,
    headers text,
    cuts integer[],
    commitments bytea[] NOT NULL,
    CONSTRAINT event_carrier_not_later CHECK ((carrier <= "position")),
    CONSTRAINT event_commitments_are_sha256 CHECK ((octet_length(commitments[1]) = 32)),
    CONSTRAINT event_dedupe_key_bounded CHECK (((octet_length(dedupe_key) >= 1) AND (octet_length(dedupe_key) <= 255))),
    CONSTRAINT event_external_id_bounded CHECK ((octet_length(external_id) <= 255)),
    CONSTRAINT event_position_from_one CHECK (("position" > 0)),
    CONSTRAINT event_type_bounded CHECK (((octet_length(type) >= 1) AND (octet_length(type) <= 255)))
);

COMMENT ON COLUMN ledger.events.carrier IS 'Position of the event that holds the parts of the delivery: the first new one of it.';

COMMENT ON COLUMN ledger.events.part IS 'Which part of the delivery is this event, from 0.';

COMMENT ON COLUMN ledger.events.headers IS 'Kept headers of the delivery as JSON (carrier only); never credentials.';

COMMENT ON COLUMN ledger.events.cuts IS 'Byte ranges (offset, length, …) of the delivery that were blanked before it was split (carrier only).';

COMMENT ON COLUMN ledger.events.commitments IS 'SHA-256(salt || part): of every part in order for a carrier, else of this event''s own part.';

CREATE TABLE ledger.journals (
    id integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT journal_id_positive CHECK ((id > 0)),
    CONSTRAINT journal_kind_known CHECK ((kind = ANY (ARRAY['source'::text, 'licensespring'::text, 'system'::text]))),
    CONSTRAINT journal_name_well_formed CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,60}$'::text))
);

COMMENT ON TABLE ledger.journals IS 'One append-only log each: of a source, of a LicenseSpring account, of the system. Its row is what an append locks.';

CREATE TABLE ledger.variants (
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    commitment bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    headers text,
    bytes bytea NOT NULL
);
ALTER TABLE ONLY ledger.variants ALTER COLUMN bytes SET COMPRESSION lz4;

COMMENT ON TABLE ledger.variants IS 'Other bytes that came under the dedupe key of an event: kept (at most 8) and shown, never folded.';

CREATE TABLE projection.accounts (
    generation integer NOT NULL,
    journal integer NOT NULL,
    mode text NOT NULL,
    said_at bigint NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.books (
    generation integer NOT NULL,
    journal integer NOT NULL,
    book text NOT NULL,
    state json NOT NULL,
    fold_version integer NOT NULL,
    rules_hash text NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.destructive (
    generation integer NOT NULL,
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    order_id text NOT NULL,
    n bigint NOT NULL,
    action text NOT NULL,
    announced boolean NOT NULL,
    approved boolean NOT NULL,
    undone boolean NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.events (
    generation integer NOT NULL,
    journal integer NOT NULL,
    "position" bigint NOT NULL,
    status text NOT NULL,
    entity text,
    customer_id text,
    subscription_id text,
    error text
)
PARTITION BY LIST (generation);

CREATE TABLE projection.licenses (
    generation integer NOT NULL,
    journal integer NOT NULL,
    order_id text NOT NULL,
    source text NOT NULL,
    subscription_id text NOT NULL,
    license_id bigint,
    state text NOT NULL,
    record json NOT NULL,
    open_since timestamp with time zone,
    recheck_at timestamp with time zone,
    drifted boolean NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.links (
    generation integer NOT NULL,
    journal integer NOT NULL,
    child text NOT NULL,
    parent text NOT NULL,
    "position" bigint NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.mentions (
    generation integer NOT NULL,
    journal integer NOT NULL,
    entity text NOT NULL,
    "position" bigint NOT NULL
)
PARTITION BY LIST (generation);

CREATE TABLE projection.overrides (
    generation integer NOT NULL,
    journal integer NOT NULL,
    id text NOT NULL,
    subscription_id text NOT NULL,
    granted bigint,
    withdrawn bigint
)
PARTITION BY LIST (generation);

CREATE TABLE projection.subscriptions (
    generation integer NOT NULL,
    journal integer NOT NULL,
    subscription_id text NOT NULL,
    customer_id text,
    buyer text,
    book text,
    superseded boolean NOT NULL,
    status text NOT NULL,
    state text NOT NULL,
    state_hash text NOT NULL,
    fold_hash text NOT NULL,
    fold_version integer NOT NULL,
    unmapped boolean NOT NULL,
    uncertain boolean NOT NULL,
    next_transition_at timestamp with time zone,
    dirty_since timestamp with time zone,
    version bigint NOT NULL,
    saved_at timestamp with time zone NOT NULL
)
PARTITION BY LIST (generation);
ALTER TABLE ONLY projection.subscriptions ALTER COLUMN state SET COMPRESSION lz4;

CREATE TABLE public.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

ALTER TABLE ONLY control.budgets
    ADD CONSTRAINT budgets_pkey PRIMARY KEY (account);

ALTER TABLE ONLY control.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (generation, journal);

ALTER TABLE ONLY control.duplicates
    ADD CONSTRAINT duplicates_pkey PRIMARY KEY (journal, "position");

ALTER TABLE ONLY control.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (generation);

ALTER TABLE ONLY control.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (token, key);

ALTER TABLE ONLY control.live
    ADD CONSTRAINT live_pkey PRIMARY KEY (journal);

ALTER TABLE ONLY control.plan_entries
    ADD CONSTRAINT plan_entries_pkey PRIMARY KEY (plan, source, subscription_id, ordinal);

ALTER TABLE ONLY control.plans_owed
    ADD CONSTRAINT plans_owed_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.projection_tables
    ADD CONSTRAINT projection_tables_pkey PRIMARY KEY (one);

ALTER TABLE ONLY control.rebuilds
    ADD CONSTRAINT rebuilds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.reconcilers
    ADD CONSTRAINT reconcilers_pkey PRIMARY KEY (account);

ALTER TABLE ONLY control.refusals
    ADD CONSTRAINT refusals_pkey PRIMARY KEY (slot);

ALTER TABLE ONLY control.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.tokens
    ADD CONSTRAINT token_hash_unique UNIQUE (hash);

ALTER TABLE ONLY control.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.bodies
    ADD CONSTRAINT bodies_pkey PRIMARY KEY (journal, "position", part);

ALTER TABLE ONLY ledger.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (journal, "position");

ALTER TABLE ONLY ledger.journals
    ADD CONSTRAINT journal_name_unique UNIQUE (name);

ALTER TABLE ONLY ledger.journals
    ADD CONSTRAINT journals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.variants
    ADD CONSTRAINT variants_pkey PRIMARY KEY (journal, "position", commitment);

ALTER TABLE ONLY projection.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (generation, journal);

ALTER TABLE ONLY projection.books
    ADD CONSTRAINT books_pkey PRIMARY KEY (generation, journal, book);

ALTER TABLE ONLY projection.destructive
    ADD CONSTRAINT destructive_pkey PRIMARY KEY (generation, journal, "position");

ALTER TABLE ONLY projection.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (generation, journal, "position");

ALTER TABLE ONLY projection.licenses
    ADD CONSTRAINT licenses_pkey PRIMARY KEY (generation, journal, order_id);

ALTER TABLE ONLY projection.links
    ADD CONSTRAINT links_pkey PRIMARY KEY (child, generation, journal, parent);

ALTER TABLE ONLY projection.mentions
    ADD CONSTRAINT mentions_pkey PRIMARY KEY (generation, journal, entity, "position");

ALTER TABLE ONLY projection.overrides
    ADD CONSTRAINT overrides_pkey PRIMARY KEY (generation, journal, id);

ALTER TABLE ONLY projection.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (generation, journal, subscription_id);

ALTER TABLE ONLY public.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

CREATE INDEX idempotency_age ON control.idempotency USING btree (claimed_at);

CREATE INDEX plans_created ON control.plans USING btree (created_at);

CREATE UNIQUE INDEX plans_one_held ON control.plans USING btree (account) WHERE (state = 'held'::text);

CREATE INDEX sweeps_created ON control.sweeps USING btree (created_at);

CREATE UNIQUE INDEX events_dedupe ON ledger.events USING btree (journal, dedupe_key);

CREATE INDEX events_own ON ledger.events USING btree (journal, "position") WHERE ((headers IS NULL) AND (carrier = "position"));

CREATE INDEX books_rules ON ONLY projection.books USING btree (journal, rules_hash);

CREATE INDEX destructive_at ON ONLY projection.destructive USING btree (journal, at);

CREATE INDEX destructive_order ON ONLY projection.destructive USING btree (journal, order_id, n);

CREATE INDEX events_attention ON ONLY projection.events USING btree (journal, status, "position") WHERE (status <> ALL (ARRAY['applied'::text, 'recorded'::text]));

CREATE INDEX events_customer ON ONLY projection.events USING btree (journal, customer_id, "position");

CREATE INDEX events_incomplete ON ONLY projection.events USING btree (journal, "position") WHERE ((status = ANY (ARRAY['applied'::text, 'recorded'::text])) AND (error IS NOT NULL));

CREATE INDEX events_subscription ON ONLY projection.events USING btree (journal, subscription_id, "position");

CREATE INDEX licenses_drifted ON ONLY projection.licenses USING btree (journal, order_id) WHERE drifted;

CREATE INDEX licenses_enabled ON ONLY projection.licenses USING btree (journal, source) WHERE (state = 'enabled'::text);

CREATE INDEX licenses_open ON ONLY projection.licenses USING btree (journal, open_since) WHERE (open_since IS NOT NULL);

CREATE INDEX licenses_recheck ON ONLY projection.licenses USING btree (journal, recheck_at) WHERE (recheck_at IS NOT NULL);

CREATE INDEX licenses_subscription ON ONLY projection.licenses USING btree (journal, source, subscription_id);

CREATE INDEX links_parent ON ONLY projection.links USING btree (parent, generation, journal);

CREATE INDEX subscriptions_book ON ONLY projection.subscriptions USING btree (journal, book) WHERE (book IS NOT NULL);

CREATE INDEX subscriptions_customer ON ONLY projection.subscriptions USING btree (journal, customer_id);

CREATE INDEX subscriptions_dirty ON ONLY projection.subscriptions USING btree (journal, dirty_since) WHERE (dirty_since IS NOT NULL);

CREATE INDEX subscriptions_due ON ONLY projection.subscriptions USING btree (journal, next_transition_at) WHERE (next_transition_at IS NOT NULL);

CREATE TRIGGER bodies_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.bodies FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER journals_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.journals FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER variants_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.variants FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ONLY control.checkpoints
    ADD CONSTRAINT checkpoints_generation_fkey FOREIGN KEY (generation) REFERENCES control.generations(generation);

ALTER TABLE ONLY control.live
    ADD CONSTRAINT live_generation_fkey FOREIGN KEY (generation) REFERENCES control.generations(generation);

ALTER TABLE ONLY control.plan_entries
    ADD CONSTRAINT plan_entries_plan_fkey FOREIGN KEY (plan) REFERENCES control.plans(id) ON DELETE CASCADE;

ALTER TABLE ONLY control.rebuilds
    ADD CONSTRAINT rebuilds_generation_fkey FOREIGN KEY (generation) REFERENCES control.generations(generation);

GRANT USAGE ON SCHEMA control TO subledger_service;

GRANT USAGE ON SCHEMA ledger TO subledger_service;

GRANT USAGE ON SCHEMA projection TO subledger_service;

REVOKE ALL ON FUNCTION control.analyze_generation(p_generation integer) FROM PUBLIC;
GRANT ALL ON FUNCTION control.analyze_generation(p_generation integer) TO subledger_service;

REVOKE ALL ON FUNCTION control.drop_generation(p_generation integer) FROM PUBLIC;
GRANT ALL ON FUNCTION control.drop_generation(p_generation integer) TO subledger_service;

REVOKE ALL ON FUNCTION control.open_generation(p_generation integer) FROM PUBLIC;
GRANT ALL ON FUNCTION control.open_generation(p_generation integer) TO subledger_service;

REVOKE ALL ON FUNCTION ledger.append(p_journal integer, p_expect_tail bigint, p_dedupe_key text[], p_external_id text[], p_type text[], p_occurred_at timestamp with time zone[], p_livemode boolean[], p_delivery integer[], p_part integer[], d_received_at timestamp with time zone[], d_headers text[], d_cuts text[], d_first integer[], b_salt bytea[], b_commitment bytea[], b_bytes bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.append(p_journal integer, p_expect_tail bigint, p_dedupe_key text[], p_external_id text[], p_type text[], p_occurred_at timestamp with time zone[], p_livemode boolean[], p_delivery integer[], p_part integer[], d_received_at timestamp with time zone[], d_headers text[], d_cuts text[], d_first integer[], b_salt bytea[], b_commitment bytea[], b_bytes bytea[]) TO subledger_service;

REVOKE ALL ON FUNCTION ledger.open_journal(p_name text, p_kind text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.open_journal(p_name text, p_kind text) TO subledger_service;

REVOKE ALL ON FUNCTION ledger.refuse_change() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.budgets TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.checkpoints TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.duplicates TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.generations TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.idempotency TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.live TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.plan_entries TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.plans TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.plans_owed TO subledger_service;

GRANT USAGE ON SEQUENCE control.plans_owed_id_seq TO subledger_service;

GRANT SELECT ON TABLE control.projection_tables TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.rebuilds TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.reconcilers TO subledger_service;

GRANT USAGE ON SEQUENCE control.refusal_number TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.refusals TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.sweeps TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE control.tokens TO subledger_service;

GRANT SELECT ON TABLE ledger.bodies TO subledger_service;

GRANT SELECT ON TABLE ledger.events TO subledger_service;

GRANT SELECT ON TABLE ledger.journals TO subledger_service;

GRANT SELECT ON TABLE ledger.variants TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.accounts TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.books TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.destructive TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.events TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.licenses TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.links TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.mentions TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.overrides TO subledger_service;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE projection.subscriptions TO subledger_service;

GRANT SELECT ON TABLE public.refinery_schema_history TO subledger_service;

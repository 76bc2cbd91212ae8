-- The ledger: what providers told us, what we did, and under which rules. Never rewritten.
-- Losing any of it is a disaster.

CREATE SCHEMA ledger;

CREATE TABLE ledger.journals (
    id          int4 PRIMARY KEY CONSTRAINT journal_id_positive CHECK (id > 0),
    name        text NOT NULL CONSTRAINT journal_name_unique UNIQUE
                CONSTRAINT journal_name_well_formed CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,60}$'),
    kind        text NOT NULL CONSTRAINT journal_kind_known CHECK (kind IN ('source', 'licensespring', 'system')),
    opened_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE ledger.journals IS 'One append-only log each: of a source, of a LicenseSpring account, of the system. Its row is what an append locks.';

CREATE TABLE ledger.events (
    journal      int4 NOT NULL,
    position     int8 NOT NULL CONSTRAINT event_position_from_one CHECK (position > 0),
    dedupe_key   text NOT NULL CONSTRAINT event_dedupe_key_bounded CHECK (octet_length(dedupe_key) BETWEEN 1 AND 255),
    external_id  text NOT NULL CONSTRAINT event_external_id_bounded CHECK (octet_length(external_id) <= 255),
    type         text NOT NULL CONSTRAINT event_type_bounded CHECK (octet_length(type) BETWEEN 1 AND 255),
    occurred_at  timestamptz,
    livemode     bool,
    received_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    carrier      int8 NOT NULL,
    part         int4 NOT NULL,
    headers      text,
    cuts         int4[],
    commitments  bytea[] NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (journal, position),
    CONSTRAINT event_carrier_not_later CHECK (carrier <= position),
    CONSTRAINT event_commitments_are_sha256 CHECK (octet_length(commitments[1]) = 32)
);
CREATE UNIQUE INDEX events_dedupe ON ledger.events (journal, dedupe_key);
COMMENT ON COLUMN ledger.events.carrier IS 'Position of the event that holds the parts of the delivery: the first new one of it.';
COMMENT ON COLUMN ledger.events.part IS 'Which part of the delivery is this event, from 0.';
COMMENT ON COLUMN ledger.events.headers IS 'Kept headers of the delivery as JSON (carrier only); never credentials.';
COMMENT ON COLUMN ledger.events.cuts IS 'Byte ranges (offset, length, …) of the delivery that were blanked before it was split (carrier only).';
COMMENT ON COLUMN ledger.events.commitments IS 'SHA-256(salt || part): of every part in order for a carrier, else of this event''s own part.';

CREATE TABLE ledger.bodies (
    journal   int4 NOT NULL,
    position  int8 NOT NULL,
    part      int4 NOT NULL,
    salt      bytea NOT NULL CONSTRAINT body_salt_is_16_bytes CHECK (octet_length(salt) = 16),
    key_id    int4,
    codec     int2 NOT NULL DEFAULT 0 CONSTRAINT body_codec_known CHECK (codec = 0),
    bytes     bytea NOT NULL,
    CONSTRAINT bodies_pkey PRIMARY KEY (journal, position, part)
);
ALTER TABLE ledger.bodies ALTER COLUMN bytes SET COMPRESSION lz4;
COMMENT ON TABLE ledger.bodies IS 'The bytes, once: a delivery cut into parts, held under its carrier; concatenated they are the request body.';

CREATE TABLE ledger.variants (
    journal      int4 NOT NULL,
    position     int8 NOT NULL,
    commitment   bytea NOT NULL,
    received_at  timestamptz NOT NULL,
    headers      text,
    bytes        bytea NOT NULL,
    CONSTRAINT variants_pkey PRIMARY KEY (journal, position, commitment)
);
ALTER TABLE ledger.variants ALTER COLUMN bytes SET COMPRESSION lz4;
COMMENT ON TABLE ledger.variants IS 'Other bytes that came under the dedupe key of an event: kept (at most 8) and shown, never folded.';

-- The log defends itself, even against its owner.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'ledger_is_append_only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'SL002';
END $$;
CREATE TRIGGER journals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.journals EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER events_append_only   BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.events   EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER bodies_append_only   BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.bodies   EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER variants_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.variants EXECUTE FUNCTION ledger.refuse_change();

-- Opens a journal, or finds the one of that name. Ids are small, dense and permanent.
CREATE FUNCTION ledger.open_journal(p_name text, p_kind text) RETURNS int4
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, ledger, pg_temp AS $$
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

-- The one way in. One call = one journal = one round trip = one transaction.
--
-- Events are given as parallel arrays; p_delivery[i] (from 1) says of which delivery event i is
-- a part and p_part[i] (from 0) which. Delivery d has received_at d_received_at[d], headers
-- d_headers[d], cuts d_cuts[d] (as text) and the parts b_*[d_first[d] .. d_first[d + 1] - 1].
-- Answers for every event: an acknowledgement needs proof.
CREATE FUNCTION ledger.append(
    p_journal int4, p_expect_tail int8,
    p_dedupe_key text[], p_external_id text[], p_type text[], p_occurred_at timestamptz[], p_livemode bool[],
    p_delivery int4[], p_part int4[],
    d_received_at timestamptz[], d_headers text[], d_cuts text[], d_first int4[],
    b_salt bytea[], b_commitment bytea[], b_bytes bytea[])
    RETURNS TABLE (o_position int8, o_is_new bool, o_is_variant bool, o_recorded_at timestamptz)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, ledger, pg_temp AS $$
DECLARE
    variants_max CONSTANT int4 := 8;
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

    FOR i IN 1 .. coalesce(array_length(p_dedupe_key, 1), 0) LOOP
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

REVOKE ALL ON FUNCTION ledger.append, ledger.open_journal, ledger.refuse_change FROM PUBLIC;

-- The append function as before, with a quick way for batches: the events of a call go in with one
-- statement, their bodies with another, instead of two for each event.
CREATE OR REPLACE FUNCTION ledger.append(
    p_journal int4, p_expect_tail int8,
    p_dedupe_key text[], p_external_id text[], p_type text[], p_occurred_at timestamptz[], p_livemode bool[],
    p_delivery int4[], p_part int4[],
    d_received_at timestamptz[], d_headers text[], d_cuts text[], d_first int4[],
    b_salt bytea[], b_commitment bytea[], b_bytes bytea[])
    RETURNS TABLE (o_position int8, o_is_new bool, o_is_variant bool, o_recorded_at timestamptz)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, ledger, pg_temp AS $$
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

-- The home of the projections. Their tables are in ../projections; each can be dropped and
-- filled again from the ledger: losing them is a coffee break.

CREATE SCHEMA projection;

CREATE TABLE control.projection_tables (
    one      bool PRIMARY KEY DEFAULT true CONSTRAINT one_row CHECK (one),
    digest   text NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE control.projection_tables IS 'Digest of the table definitions the projection schema was made from; another digest means: drop and refill.';

-- The service may open and drop partitions of the projections, and nothing else.
-- Made apart and then attached: CREATE … PARTITION OF would lock every reader and writer out.
CREATE FUNCTION control.open_generation(p_generation int4) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

-- Drops one table of a generation; false: there was none left. One a call, so that each goes in
-- a transaction of its own: the lock on its parent is then the only one that is held.
CREATE FUNCTION control.drop_generation(p_generation int4) RETURNS bool
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

REVOKE ALL ON FUNCTION control.open_generation, control.drop_generation FROM PUBLIC;

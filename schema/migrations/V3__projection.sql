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
CREATE FUNCTION control.open_generation(p_generation int4) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'projection' AND c.relkind = 'p' ORDER BY 1 LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS projection.%I PARTITION OF projection.%I FOR VALUES IN (%s)',
                       v_table || '_g' || p_generation, v_table, p_generation);
    END LOOP;
END $$;

CREATE FUNCTION control.drop_generation(p_generation int4) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_table text;
BEGIN
    IF EXISTS (SELECT 1 FROM control.live l WHERE l.generation = p_generation) THEN
        RAISE EXCEPTION 'generation_is_live: %', p_generation USING ERRCODE = 'SL005';
    END IF;
    FOR v_table IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'projection' AND c.relkind = 'p' ORDER BY 1 LOOP
        EXECUTE format('DROP TABLE IF EXISTS projection.%I', v_table || '_g' || p_generation);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION control.open_generation, control.drop_generation FROM PUBLIC;

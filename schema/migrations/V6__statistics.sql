-- Tells the planner how large the ledger and the tables of a generation have become. Postgres looks
-- by itself once a minute, and what it saw of a handful of rows leads to plans that read everything.
CREATE FUNCTION control.analyze_generation(p_generation int4) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE ALL ON FUNCTION control.analyze_generation FROM PUBLIC;

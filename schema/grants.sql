-- What the service's role may do; run after every migration. {service} is replaced by its quoted name.
REVOKE ALL ON SCHEMA ledger, control, projection FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger, control, projection TO {service};

-- The ledger: read, and write through the append function. Nothing else.
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO {service};
GRANT SELECT ON public.refinery_schema_history TO {service};
GRANT EXECUTE ON FUNCTION ledger.append, ledger.open_journal TO {service};

-- Control and projections: the service's own working memory.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA control, projection TO {service};
REVOKE INSERT, UPDATE, DELETE ON control.projection_tables FROM {service};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA control TO {service};
GRANT EXECUTE ON FUNCTION control.open_generation, control.drop_generation, control.analyze_generation TO {service};

SELECT schema_name || '.' || table_name AS name, comment FROM duckdb_tables()
WHERE schema_name IN ('dim', 'marts', 'catalog', 'quality') ORDER BY schema_name, table_name

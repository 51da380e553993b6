SELECT schema_name || '.' || table_name AS table_name, column_name AS name, data_type AS type, comment
FROM duckdb_columns() WHERE schema_name IN ('dim', 'marts', 'catalog', 'quality')
ORDER BY schema_name, table_name, column_index

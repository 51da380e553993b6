SELECT schema_name || '.' || function_name AS name, parameters, comment FROM duckdb_functions()
WHERE schema_name = 'marts' AND function_type = 'table_macro' ORDER BY name

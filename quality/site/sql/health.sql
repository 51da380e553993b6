SELECT * FROM marts.source_health ORDER BY source_id

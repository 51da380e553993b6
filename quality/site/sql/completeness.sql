SELECT format, tag, code, records, occurrences, of_records
FROM quality.completeness
WHERE source_id = '*'
QUALIFY row_number() OVER (PARTITION BY format ORDER BY code IS NOT NULL, records DESC, tag, code) <= 1500
ORDER BY format, tag, code NULLS FIRST

SELECT source_id, batch_id, rule, severity, count(*) AS findings, count(DISTINCT record_no) AS records,
    any_value(value) AS value
FROM quality.issue
WHERE (source_id, batch_id) IN (
    SELECT (source_id, batch_id) FROM quality.outcome WHERE verdict IN ('failed', 'held', 'partial', 'rejected')
)
GROUP BY ALL
ORDER BY severity, findings DESC

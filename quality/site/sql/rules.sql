SELECT rule, severity, any_value(tag) AS tag, count(*) AS findings,
    count(DISTINCT (source_id, batch_id, record_no)) AS records, count(DISTINCT member_code) AS members
FROM quality.issue LEFT JOIN quality.score USING (source_id)
GROUP BY rule, severity
ORDER BY severity, findings DESC, rule

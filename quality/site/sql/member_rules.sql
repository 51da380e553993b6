SELECT member_code, rule, severity, any_value(tag) AS tag, count(*) AS findings,
    count(DISTINCT (source_id, batch_id, record_no)) AS records
FROM quality.issue JOIN quality.score USING (source_id)
GROUP BY member_code, rule, severity
ORDER BY member_code, severity, findings DESC, rule

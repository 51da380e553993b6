SELECT rule, severity, any_value(tag) AS tag, count(*) FILTER (NOT is_waived) AS findings,
    count(*) FILTER (is_waived) AS waived,
    count(DISTINCT (source_id, batch_id, record_no)) FILTER (NOT is_waived) AS records,
    count(DISTINCT member_code) FILTER (NOT is_waived) AS members
FROM finding LEFT JOIN quality.score USING (source_id)
GROUP BY rule, severity
ORDER BY findings = 0, severity, findings DESC, waived DESC, rule

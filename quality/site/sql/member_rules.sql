SELECT member_code, rule, severity, any_value(tag) AS tag, count(*) FILTER (NOT is_waived) AS findings,
    count(*) FILTER (is_waived) AS waived,
    count(DISTINCT (source_id, batch_id, record_no)) FILTER (NOT is_waived) AS records
FROM finding JOIN quality.score USING (source_id)
GROUP BY member_code, rule, severity
ORDER BY member_code, findings = 0, severity, findings DESC, waived DESC, rule

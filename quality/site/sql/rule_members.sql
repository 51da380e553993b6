SELECT rule, member_code, count(*) FILTER (NOT is_waived) AS findings, count(*) FILTER (is_waived) AS waived,
    count(DISTINCT (source_id, batch_id, record_no)) FILTER (NOT is_waived) AS records
FROM finding JOIN quality.score USING (source_id)
GROUP BY rule, member_code
ORDER BY rule, findings DESC, waived DESC, member_code

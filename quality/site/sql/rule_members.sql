SELECT rule, member_code, count(*) AS findings, count(DISTINCT (source_id, batch_id, record_no)) AS records
FROM quality.issue JOIN quality.score USING (source_id)
GROUP BY rule, member_code
ORDER BY rule, findings DESC, member_code

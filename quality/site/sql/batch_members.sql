-- batches that a gate failed or somebody decided on, with what each stage did
WITH chosen AS (
    SELECT source_id, batch_id FROM quality.batch_gate WHERE NOT success
    UNION
    SELECT source_id, batch_id FROM quality.decision
)
SELECT outcome.*, member_code, name_zh, name_en, epoch(ended_at - started_at) AS seconds
FROM quality.outcome SEMI JOIN chosen USING (source_id, batch_id)
JOIN (SELECT source_id, member_code FROM quality.score) USING (source_id) JOIN dim.member USING (member_code)
ORDER BY source_id, batch_id DESC, started_at
LIMIT 5000

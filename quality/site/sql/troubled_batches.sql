-- batches in which something went wrong that no later batch of the source made good
WITH judged AS (
    SELECT *, verdict IN ('failed', 'held', 'partial') AS bad,
        max(batch_id) FILTER (verdict NOT IN ('failed', 'held', 'partial'))
            OVER (PARTITION BY source_id, stage) AS last_good
    FROM quality.outcome WHERE source_id <> '*'
),
chosen AS (
    SELECT DISTINCT source_id, batch_id FROM judged WHERE bad AND (last_good IS NULL OR batch_id > last_good)
    ORDER BY batch_id DESC LIMIT 2000
)
SELECT outcome.*, member_code, name_zh, name_en, epoch(ended_at - started_at) AS seconds
FROM quality.outcome SEMI JOIN chosen USING (source_id, batch_id)
JOIN (SELECT source_id, member_code FROM quality.score) USING (source_id) JOIN dim.member USING (member_code)
ORDER BY source_id, batch_id DESC, started_at

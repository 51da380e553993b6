WITH recent AS (
    SELECT run_id FROM quality.outcome GROUP BY run_id ORDER BY max(ended_at) DESC LIMIT 60
)
SELECT run_id, stage, min(started_at) AS started_at, max(ended_at) AS ended_at, count(*) AS batches,
    sum(received) AS received, sum(staged) AS staged, sum(rejected) AS rejected, sum(deleted) AS deleted,
    sum(unchanged) AS unchanged, epoch(max(ended_at) - min(started_at)) AS seconds,
    count(*) FILTER (WHERE verdict IN ('failed', 'held', 'partial')) AS troubled,
    count(*) FILTER (WHERE received <> staged + rejected + deleted + unchanged) AS unbalanced
FROM quality.outcome SEMI JOIN recent USING (run_id)
-- a stage that tells of each source also tells of all of them together, which would count twice
WHERE source_id <> '*' OR (run_id, stage) NOT IN (SELECT (run_id, stage) FROM quality.outcome WHERE source_id <> '*')
GROUP BY run_id, stage
ORDER BY run_id, started_at

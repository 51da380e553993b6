WITH last AS (SELECT arg_max(run_id, ended_at) AS run_id FROM quality.outcome WHERE stage = 'publish')
SELECT stage, count(*) AS batches, sum(received) AS received, sum(staged) AS staged, sum(rejected) AS rejected,
    sum(deleted) AS deleted, sum(unchanged) AS unchanged,
    count(*) FILTER (WHERE verdict NOT IN ('complete', 'unchanged')) AS troubled,
    epoch(max(ended_at) - min(started_at)) AS seconds
FROM quality.outcome SEMI JOIN last USING (run_id)
WHERE source_id <> '*' OR stage NOT IN (
    SELECT stage FROM quality.outcome SEMI JOIN last USING (run_id) WHERE source_id <> '*'
)
GROUP BY stage
ORDER BY min(started_at)

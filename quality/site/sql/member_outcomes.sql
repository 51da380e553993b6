SELECT member_code, outcome.*, epoch(ended_at - started_at) AS seconds
FROM quality.outcome JOIN quality.score USING (source_id)
QUALIFY row_number() OVER (PARTITION BY stage, source_id ORDER BY batch_id DESC) <= 3
ORDER BY member_code, source_id, batch_id DESC, started_at

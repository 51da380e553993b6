WITH recent AS (
    SELECT run_id FROM quality.outcome GROUP BY run_id ORDER BY max(ended_at) DESC LIMIT 60
)
SELECT run_id, stage, source_id, member_code, batch_id, verdict, reason, ended_at,
    outcome.received, outcome.staged, outcome.rejected, outcome.deleted, outcome.unchanged
FROM quality.outcome SEMI JOIN recent USING (run_id) LEFT JOIN quality.score USING (source_id)
WHERE verdict IN ('failed', 'held', 'partial')
    OR outcome.received <> outcome.staged + outcome.rejected + outcome.deleted + outcome.unchanged
ORDER BY run_id, ended_at

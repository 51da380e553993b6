-- sources with their score over the builds and among sources of the same kind and format
WITH over_builds AS (
    SELECT name AS source_id, build_id, rank, peers, median,
        score - lag(score) OVER (PARTITION BY name ORDER BY build_id) AS change,
        list(score) OVER (PARTITION BY name ORDER BY build_id ROWS 11 PRECEDING) AS scores
    FROM quality.score_history WHERE scope = 'source'
    QUALIFY build_id = max(build_id) OVER ()
),
-- has sent something, and no records: usage
of_usage AS (
    SELECT DISTINCT source_id FROM quality.outcome JOIN quality.score USING (source_id)
    WHERE stage = 'stage' AND staged > 0 AND score IS NULL
)
SELECT score.*, rank, peers, median, change, of_usage.source_id IS NOT NULL AS is_usage,
    coalesce(list_filter(scores, lambda score: score IS NOT NULL), []) AS history
FROM quality.score LEFT JOIN over_builds USING (source_id) LEFT JOIN of_usage USING (source_id)
ORDER BY member_code, source_id

-- groups of the newest build, with how their score changed since the one before
WITH scored AS (
    SELECT *, score - lag(score) OVER (PARTITION BY scope, name ORDER BY build_id) AS change,
        list(score) OVER (PARTITION BY scope, name ORDER BY build_id ROWS 11 PRECEDING) AS scores
    FROM quality.score_history
    WHERE scope IN ('province', 'regional_centre', 'agency', 'supplier')
)
SELECT scope, name, coalesce(name_zh, name) AS name_zh, coalesce(name_en, name) AS name_en, records, rejected, fails,
    warns, waived, score, completeness, rank, peers, build_id, change,
    list_filter(scores, lambda score: score IS NOT NULL) AS history
FROM scored LEFT JOIN dim.centre ON scope = 'regional_centre' AND name IN (centre_code, dim.centre.name_zh)
QUALIFY build_id = max(build_id) OVER ()
    -- agencies and suppliers are as many as libraries spell them; the largest say enough
    AND row_number() OVER (PARTITION BY scope, build_id ORDER BY records DESC, name) <= 300
ORDER BY list_position(['province', 'regional_centre', 'agency', 'supplier'], scope), score, name

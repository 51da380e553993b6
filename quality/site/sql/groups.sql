-- groups of the newest build, with how their score changed since the one before
SELECT scope, name, records, rejected, fails, warns, waived, score, completeness, rank, peers, build_id,
    score - lag(score) OVER (PARTITION BY scope, name ORDER BY build_id) AS change
FROM quality.score_history
WHERE scope IN ('province', 'regional_centre', 'agency', 'supplier')
QUALIFY build_id = max(build_id) OVER ()
    -- agencies and suppliers are as many as libraries spell them; the largest say enough
    AND row_number() OVER (PARTITION BY scope, build_id ORDER BY records DESC, name) <= 300
ORDER BY list_position(['province', 'regional_centre', 'agency', 'supplier'], scope), score, name

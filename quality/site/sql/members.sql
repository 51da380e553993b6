WITH scored AS (
    SELECT member_code, count(*) AS sources, sum(records) AS records, sum(rejected) AS rejected,
        sum(with_issue) AS with_issue, sum(fails) AS fails, sum(warns) AS warns, sum(waived) AS waived,
        sum(score * (records + rejected)) / nullif(sum(records + rejected) FILTER (WHERE score IS NOT NULL), 0) AS score
    FROM quality.score GROUP BY member_code
),
harvested AS (
    SELECT member_code, max(ended_at) AS harvested_at, arg_max(verdict, ended_at) AS verdict
    FROM quality.outcome JOIN quality.score USING (source_id) WHERE stage = 'harvest' GROUP BY member_code
),
batches AS (
    SELECT member_code, source_id, stage, batch_id, ended_at, verdict, reason,
        verdict IN ('failed', 'held', 'partial') AS bad,
        max(batch_id) FILTER (verdict NOT IN ('failed', 'held', 'partial'))
            OVER (PARTITION BY source_id, stage) AS last_good
    FROM quality.outcome JOIN quality.score USING (source_id)
),
failing AS (
    SELECT member_code, min(ended_at) AS failing_since, arg_max(verdict, ended_at) AS verdict,
        arg_max(reason, ended_at) AS reason, count(DISTINCT source_id) AS failing_sources
    FROM batches WHERE bad AND (last_good IS NULL OR batch_id > last_good) GROUP BY member_code
),
held AS (
    SELECT member_code, count(*) AS bibs, count(*) FILTER (WHERE holders = 1) AS unique_bibs,
        sum(holdings) AS holdings, sum(items) AS items
    FROM (SELECT *, count(*) OVER (PARTITION BY bib_id) AS holders FROM marts.bib_member) GROUP BY member_code
)
SELECT member_code, dim.member.name_zh, dim.member.name_en, kind, dim.member.province, regional_centre,
    coalesce(centre.name_zh, regional_centre) AS centre_zh, coalesce(centre.name_en, regional_centre) AS centre_en,
    coalesce(sources, 0) AS sources, coalesce(records, 0) AS records, coalesce(rejected, 0) AS rejected,
    coalesce(with_issue, 0) AS with_issue, coalesce(fails, 0) AS fails, coalesce(warns, 0) AS warns, coalesce(waived, 0) AS waived, score,
    harvested_at, coalesce(failing.verdict, harvested.verdict, 'none') AS verdict,
    coalesce(reason, '') AS reason, failing_since, coalesce(failing_sources, 0) AS failing_sources,
    coalesce(bibs, 0) AS bibs, coalesce(unique_bibs, 0) AS unique_bibs,
    coalesce(holdings, 0) AS holdings, coalesce(items, 0) AS items
FROM dim.member
LEFT JOIN scored USING (member_code) LEFT JOIN harvested USING (member_code) LEFT JOIN failing USING (member_code)
LEFT JOIN held USING (member_code) LEFT JOIN dim.centre ON centre_code = regional_centre
ORDER BY member_code

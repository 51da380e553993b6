WITH scored AS (
    SELECT member_code, count(*) AS sources, sum(records) AS records, sum(rejected) AS rejected,
        sum(with_issue) AS with_issue, sum(fails) AS fails, sum(warns) AS warns,
        sum(score * (records + rejected)) / nullif(sum(records + rejected) FILTER (WHERE score IS NOT NULL), 0) AS score
    FROM quality.score GROUP BY member_code
),
harvested AS (
    SELECT member_code, max(ended_at) AS harvested_at, arg_max(verdict, ended_at) AS verdict,
        arg_max(reason, ended_at) AS reason
    FROM quality.outcome JOIN quality.score USING (source_id) WHERE stage = 'harvest' GROUP BY member_code
),
held AS (
    SELECT member_code, count(*) AS bibs, count(*) FILTER (WHERE holders = 1) AS unique_bibs,
        sum(holdings) AS holdings, sum(items) AS items
    FROM (SELECT *, count(*) OVER (PARTITION BY bib_id) AS holders FROM marts.bib_member) GROUP BY member_code
)
SELECT member_code, name_zh, name_en, kind, province, regional_centre,
    coalesce(sources, 0) AS sources, coalesce(records, 0) AS records, coalesce(rejected, 0) AS rejected,
    coalesce(with_issue, 0) AS with_issue, coalesce(fails, 0) AS fails, coalesce(warns, 0) AS warns, score,
    harvested_at, coalesce(verdict, 'none') AS verdict, coalesce(reason, '') AS reason,
    coalesce(bibs, 0) AS bibs, coalesce(unique_bibs, 0) AS unique_bibs,
    coalesce(holdings, 0) AS holdings, coalesce(items, 0) AS items
FROM marts.current_member
LEFT JOIN scored USING (member_code) LEFT JOIN harvested USING (member_code) LEFT JOIN held USING (member_code)
ORDER BY member_code

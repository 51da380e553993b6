-- Scores as `quality/score.py` describes them.  Beside the lake they see the tables `in_registry` (sources with what the
-- registry says of them), `waived` (waivers in force), `of_usage` (sources without a score), `rule_points` (points that a
-- finding of a rule costs), and the variables `build_id` and `set_aside_points` (what a record set aside costs).

-- A rejected record is current when its batch holds a current record or is the newest of its source, and the
-- source has not sent it again since: so a good resubmission settles it, and a bad one takes its place.
-- name: current_rejected
CREATE OR REPLACE VIEW staged.current_rejected AS
SELECT * FROM staged.rejected SEMI JOIN (
    SELECT DISTINCT source_id, batch_id FROM staged.record
    UNION
    SELECT source_id, max(batch_id) FROM (
        SELECT source_id, batch_id FROM staged.bib UNION ALL SELECT source_id, batch_id FROM staged.rejected
    ) GROUP BY source_id
) USING (source_id, batch_id)
ANTI JOIN staged.record ON record.source_id = rejected.source_id AND record.record_id = rejected.record_id
    AND record.batch_id > rejected.batch_id
QUALIFY batch_id = max(batch_id) OVER (PARTITION BY source_id, coalesce(record_id, md5(content)))

-- Its regional centre by the code that dim.member_period gives it.
-- name: registered
CREATE OR REPLACE TEMP TABLE registered AS
SELECT in_registry.* REPLACE (
    coalesce(centre_code, in_registry.regional_centre, province.regional_centre) AS regional_centre
)
FROM in_registry
LEFT JOIN seed('provinces') AS province USING (province)
LEFT JOIN seed('centres') AS centre
    ON level = 'regional' AND in_registry.regional_centre IN (centre_code, centre.name_zh, centre.name_en)
ORDER BY member_code, source_id

-- name: record_score
CREATE OR REPLACE TEMP TABLE record_score AS
WITH found AS (
    SELECT source_id, batch_id, record_no,
        count(*) FILTER (WHERE until IS NULL AND severity = 'fail')::INT AS fails,
        count(*) FILTER (WHERE until IS NULL AND severity = 'warn')::INT AS warns,
        count(*) FILTER (WHERE until IS NOT NULL)::INT AS waived,
        sum(points) FILTER (WHERE until IS NULL) AS points
    FROM quality.current_issue LEFT JOIN waived USING (rule, source_id) LEFT JOIN rule_points USING (rule, severity)
    GROUP BY ALL
),
described AS (
    SELECT source_id, record_id, batch_id, record_no, kind, agency_chain[1] AS agency,
        agency_chain[-1] AS last_agency, /* core */ AS completeness
    FROM staged.current_bib
)
SELECT source_id, record_id, batch_id, record_no, described.kind, agency,
    coalesce(registered.supplier, last_agency) AS supplier,
    coalesce(fails, 0) AS fails, coalesce(warns, 0) AS warns, coalesce(waived, 0) AS waived,
    coalesce(points, 0) AS points, greatest(0, 100 - coalesce(points, 0))::DOUBLE AS score,
    completeness
FROM described
LEFT JOIN found USING (source_id, batch_id, record_no) LEFT JOIN registered USING (source_id)

-- name: source_score
CREATE OR REPLACE TEMP TABLE source_score AS
WITH records AS (
    SELECT source_id, count(*) AS records FROM staged.record WHERE NOT deleted GROUP BY source_id
),
issues AS (
    SELECT source_id, count(*) FILTER (WHERE fails + warns > 0) AS with_issue, sum(fails) AS fails,
        sum(warns) AS warns, sum(waived) AS waived, sum(points) AS points, avg(completeness) AS completeness
    FROM record_score GROUP BY source_id
),
set_aside AS (
    SELECT source_id, count(*) AS rejected, count(until) AS waived_rejected
    FROM staged.current_rejected LEFT JOIN waived USING (rule, source_id) GROUP BY source_id
),
harvested AS (
    SELECT source_id, max(ended_at) AS harvested_at FROM quality.outcome
    WHERE stage = 'harvest' AND verdict IN ('complete', 'unchanged') GROUP BY source_id
),
counted AS (
    SELECT member_code, source_id, harvested_at, coalesce(records, 0) AS records, coalesce(with_issue, 0) AS with_issue,
        coalesce(fails, 0)::BIGINT AS fails, coalesce(warns, 0)::BIGINT AS warns,
        coalesce(waived, 0)::BIGINT + coalesce(waived_rejected, 0) AS waived, coalesce(rejected, 0) AS rejected,
        coalesce(points, 0) + getvariable('set_aside_points')
            * coalesce(rejected - waived_rejected, 0) AS points,
        completeness
    FROM registered
    LEFT JOIN records USING (source_id) LEFT JOIN issues USING (source_id) LEFT JOIN set_aside USING (source_id)
    LEFT JOIN harvested USING (source_id)
)
SELECT * EXCLUDE completeness,
    CASE WHEN records + rejected > 0 AND source_id NOT IN (SELECT source_id FROM of_usage) THEN
        greatest(0, 100 - points / (records + rejected)) END AS score,
    completeness,
    -- to the build, not to now: publishing it again says the same
    round(greatest(0, epoch(strptime(left(getvariable('build_id'), 15), '%Y%m%dT%H%M%S') - harvested_at)) / 86400, 2) AS freshness
FROM counted
ORDER BY member_code, source_id

-- name: score_history
WITH grouped AS (
    SELECT 'source' AS scope, source_id AS name, kind || ', ' || format AS peer_kind, records, with_issue, fails,
        warns, waived, rejected, points, completeness, freshness, score IS NOT NULL AS scored
    FROM source_score JOIN registered USING (source_id)
    UNION ALL BY NAME
    SELECT unnest(['member', 'province', 'regional_centre']) AS scope,
        unnest([member_code, province, regional_centre]) AS name, unnest([kind, '', '']) AS peer_kind,
        records, with_issue, fails, warns, waived, rejected, points, completeness, freshness, true AS scored
    FROM source_score JOIN registered USING (member_code, source_id) WHERE score IS NOT NULL
    UNION ALL BY NAME
    SELECT unnest(['agency', 'supplier']) AS scope, unnest([agency, supplier]) AS name, '' AS peer_kind,
        1 AS records, (fails + warns > 0)::BIGINT AS with_issue, fails, warns, waived, 0 AS rejected, points,
        completeness, NULL AS freshness, true AS scored
    FROM record_score
),
added_up AS (
    SELECT scope, name, peer_kind, sum(records)::BIGINT AS records, sum(with_issue)::BIGINT AS with_issue,
        sum(fails)::BIGINT AS fails, sum(warns)::BIGINT AS warns, sum(waived)::BIGINT AS waived,
        sum(rejected)::BIGINT AS rejected, sum(points) AS points, sum(completeness * records) / nullif(sum(records), 0) AS completeness,
        max(freshness) AS freshness, bool_and(scored) AS scored
    FROM grouped WHERE name IS NOT NULL GROUP BY scope, name, peer_kind
),
scored AS (
    SELECT * EXCLUDE scored, CASE WHEN scored AND records + rejected > 0 THEN
        greatest(0, 100 - points / (records + rejected)) END AS score
    FROM added_up
)
SELECT getvariable('build_id') AS build_id, scope, name, records, with_issue, fails, warns, waived, rejected,
    score, completeness, freshness, peer_kind, count(score) OVER peers AS peers, median(score) OVER peers AS median,
    CASE WHEN score IS NOT NULL THEN rank() OVER (PARTITION BY scope, peer_kind ORDER BY score DESC NULLS LAST)
        END AS rank,
    CASE WHEN score IS NOT NULL AND count(score) OVER peers > 1 THEN
        100.0 * (count(score) OVER (PARTITION BY scope, peer_kind ORDER BY score NULLS FIRST) - 1)
            / (count(score) OVER peers - 1) END AS percentile
FROM scored
WINDOW peers AS (PARTITION BY scope, peer_kind)
ORDER BY scope, name

-- The life of each defect: `earlier_defect` is the table as of the build before.  A record that could not be read has
-- no identifier, so its bytes are its name.
-- name: defect
WITH found AS (
    SELECT source_id, record_id AS record_key, rule, coalesce(tag, '') AS tag, severity, value, batch_id, record_no
    FROM quality.current_issue
    UNION ALL BY NAME
    SELECT source_id, coalesce(record_id, 'md5:' || md5(content)) AS record_key, rule, '' AS tag,
        'fail' AS severity, reason AS value, batch_id, record_no
    FROM staged.current_rejected
),
now AS (
    SELECT found.*, row_number() OVER (
            PARTITION BY source_id, record_key, rule, tag ORDER BY value, batch_id, record_no
        )::INT AS nth,
        until IS NOT NULL AS is_waived
    FROM found LEFT JOIN waived USING (rule, source_id)
),
there AS (
    SELECT source_id, record_id AS record_key, true AS is_there FROM staged.record WHERE NOT deleted
)
SELECT source_id, record_key, rule, tag, nth,
    coalesce(now.severity, before.severity) AS severity,
    CASE WHEN now.severity IS NULL THEN before.value ELSE now.value END AS value,
    coalesce(now.batch_id, before.batch_id) AS batch_id, coalesce(now.record_no, before.record_no) AS record_no,
    CASE WHEN now.severity IS NOT NULL THEN if(is_waived, 'waived', 'open')
        WHEN before.fixed_at IS NOT NULL THEN before.status
        WHEN is_there THEN 'fixed' ELSE 'withdrawn' END AS status,
    coalesce(before.first_seen, getvariable('build_id')) AS first_seen,
    CASE WHEN now.severity IS NULL THEN before.last_seen ELSE getvariable('build_id') END AS last_seen,
    CASE WHEN now.severity IS NULL THEN coalesce(before.fixed_at, getvariable('build_id')) END AS fixed_at
FROM now FULL JOIN earlier_defect AS before USING (source_id, record_key, rule, tag, nth)
LEFT JOIN there USING (source_id, record_key)
-- what was mended more than a year ago is over
WHERE now.severity IS NOT NULL OR before.fixed_at IS NULL
    OR strptime(left(before.fixed_at, 8), '%Y%m%d') > strptime(left(getvariable('build_id'), 8), '%Y%m%d') - INTERVAL 1 YEAR
ORDER BY source_id, record_key, rule, tag, nth

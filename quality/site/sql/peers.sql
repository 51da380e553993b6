WITH scored AS (
    SELECT member_code, sum(records) AS records, sum(rejected) AS rejected, sum(fails) AS fails,
        sum(warns) AS warns, sum(with_issue) AS with_issue,
        sum(score * (records + rejected)) / nullif(sum(records + rejected) FILTER (WHERE score IS NOT NULL), 0) AS score
    FROM quality.score GROUP BY member_code
),
bibs AS (
    SELECT member_code, count(*) AS bibs, count(*) FILTER (WHERE holders = 1) AS unique_bibs
    FROM (SELECT member_code, count(*) OVER (PARTITION BY bib_id) AS holders FROM marts.bib_member)
    GROUP BY member_code
),
measured AS (
    SELECT member_code, kind, unnest([
        {'measure': 'score', 'value': score, 'sign': 1},
        {'measure': 'fails', 'value': 1000 * fails / nullif(records, 0), 'sign': -1},
        {'measure': 'warns', 'value': 1000 * warns / nullif(records, 0), 'sign': -1},
        {'measure': 'with_issue', 'value': 100 * with_issue / nullif(records, 0), 'sign': -1},
        {'measure': 'rejected', 'value': 100 * rejected / nullif(records + rejected, 0), 'sign': -1},
        {'measure': 'unique', 'value': 100 * unique_bibs / nullif(bibs, 0), 'sign': 1}
    ], recursive := true)
    FROM scored JOIN dim.member USING (member_code) LEFT JOIN bibs USING (member_code)
)
SELECT member_code, measure, value, sign,
    rank() OVER (PARTITION BY kind, measure ORDER BY sign * value DESC) AS rank,
    count(*) OVER same AS peers, min(value) OVER same AS least, max(value) OVER same AS most,
    quantile_cont(value, 0.25) OVER same AS low, median(value) OVER same AS middle,
    quantile_cont(value, 0.75) OVER same AS high
FROM measured
WHERE value IS NOT NULL
WINDOW same AS (PARTITION BY kind, measure)
ORDER BY member_code, list_position(['score', 'fails', 'warns', 'with_issue', 'rejected', 'unique'], measure)

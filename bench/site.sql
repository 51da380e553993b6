-- Rows of a made-up published file, for bench/site.py: after the name of each table the question that gives them.

-- table catalog.member
SELECT format('D{:05d}', n) AS member_code, '示范图书馆' || n AS name_zh, 'Demo Library ' || n AS name_en,
    ['undergraduate', 'vocational', 'research'][1 + n % 3] AS kind, provinces[1 + n % len(provinces)] AS province,
    '地区中心' || n % 8 AS regional_centre, DATE '2020-01-01' AS valid_from
    FROM range(:members) AS r(n), (SELECT ['11','12','13','21','31','32','33','37','41','42','44','51','61'] AS provinces)

-- table quality.score
SELECT format('D{:05d}', n) AS member_code, format('D{:05d}-marc', n) AS source_id, 1000 + n AS records,
    n % 400 AS with_issue, n % 70 AS fails, n % 300 AS warns, n % 9 AS rejected, 100 - (n * 7919 % 300) / 10 AS score
    FROM range(:members) AS r(n)

-- table quality.source
SELECT source_id, member_code, 'folder' AS protocol, 'marc21' AS format, 'full' AS delivery,
    '@daily' AS schedule, TIMESTAMP '2026-01-31' AS as_of FROM quality.score

-- table quality.outcome
SELECT stage, source_id, strftime(day, '%Y%m%dT%H%M%S000000Z') AS batch_id,
    'run-' || strftime(day, '%d') AS run_id, day AS started_at, day + INTERVAL 1 MINUTE AS ended_at,
    CASE WHEN hash(source_id, day) % 50 = 0 THEN 'failed' ELSE 'complete' END AS verdict, 100 AS received, 98 AS staged,
    2 AS rejected, 0 AS deleted, 0 AS unchanged,
    CASE WHEN hash(source_id, day) % 50 = 0 THEN 'HTTP 503 from the server' ELSE '' END AS reason
    FROM quality.score, (SELECT TIMESTAMP '2026-01-01' + INTERVAL (d) DAY AS day FROM range(:days) AS r(d)),
        (SELECT unnest(['harvest', 'stage']) AS stage)
    UNION ALL SELECT 'publish', '*', ':build', 'run-31', TIMESTAMP '2026-01-31', TIMESTAMP '2026-01-31 00:05:00',
        'complete', 1, 1, 0, 0, 0, ''

-- table quality.issue
SELECT source_id, '20260130T000000000000Z' AS batch_id, CAST(n AS INTEGER) AS record_no, 'b' || n AS record_id,
    code AS rule, severity, '200' AS tag, 'value ' || n AS value
    FROM quality.score, made_rules, range(4) AS r(n) WHERE hash(source_id, code) % 4 = 0

-- table quality.score_history
SELECT strftime(TIMESTAMP '2026-01-31' - to_days(CAST(n AS INTEGER)), '%Y%m%dT000000000000Z') AS build_id, 'member' AS scope,
    member_code AS name, records, with_issue, fails, warns, 0 AS waived, rejected, score, 90.0 AS completeness,
    1.0 AS freshness, 'undergraduate' AS peer_kind, 900 AS peers, 95.0 AS median, 1 AS rank, 50.0 AS percentile
    FROM quality.score, range(12) AS r(n)

-- table quality.defect
SELECT source_id, record_id AS record_key, rule, tag, 1 AS nth, severity, value, batch_id, record_no,
    ['open', 'open', 'open', 'waived'][1 + record_no % 4] AS status, ':build' AS first_seen, ':build' AS last_seen
    FROM quality.issue

-- table catalog.bib
SELECT 'U' || n AS bib_id, 1 AS records, 1 + n % 40 AS members, '书名' || n AS title,
    1950 + n % 75 AS pub_year, ['B', 'I', 'TP', 'K'][1 + n % 4] AS letter, 'book' AS kind FROM range(:bibs) AS r(n)

-- table catalog.bib_record
SELECT DISTINCT 'U' || n AS bib_id, format('D{:05d}-marc', (n * 7919 + k * 104729) % :members) AS source_id,
    'b' || n AS record_id, '20260130T000000000000Z' AS batch_id, n % 1000 AS record_no
    FROM range(:bibs) AS r(n), range(6) AS s(k)

-- table catalog.review
SELECT 'D00001-marc' AS left_source_id, 'l' || n AS left_record_id, 'D00002-marc' AS right_source_id,
    'r' || n AS right_record_id, 'U' || n AS left_bib_id, 'U' || n + 1 AS right_bib_id, 0.87 AS score, 'title' AS rule,
    2 AS left_members, 3 AS right_members, 1.0 / (n + 1) AS usefulness FROM range(3000) AS r(n)

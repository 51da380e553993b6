-- Text of a usage file as values: null is what can't be read.  A macro each, called by convert.py.
-- Day first and month first can't be told apart, so neither is read unless a profile says which.

-- A date in Chinese, with slashes or points, as one with hyphens; a time in Chinese as one with colons.
CREATE OR REPLACE TEMP MACRO coloned(t) AS
    regexp_replace(regexp_replace(t, '[时時点點](\d{1,2})分(\d{1,2})秒', ':\1:\2'), '[时時点點](\d{1,2})分?', ':\1');
CREATE OR REPLACE TEMP MACRO hyphened(t) AS trim(regexp_replace(regexp_replace(
    trim(t), '[年月/.](\d{1,2})', '-\1', 'g'), '[日号號T]\s*', ' '));

-- A number of days since 1899-12-30, as Excel keeps dates.
CREATE OR REPLACE TEMP MACRO excel_time(t) AS
    TIMESTAMP '1899-12-30' + to_milliseconds(CAST(round(CAST(t AS DOUBLE) * 86400000) AS BIGINT));

CREATE OR REPLACE TEMP MACRO compact_time(t) AS
    try_strptime(rpad(regexp_replace(t, '[^0-9]', '', 'g'), 14, '0'), '%Y%m%d%H%M%S');

-- What the clock on the wall showed.
CREATE OR REPLACE TEMP MACRO wall_time(t) AS CASE
    WHEN regexp_full_match(t, '\d{4}-\d{1,2}-\d{1,2}[ -~]*') THEN TRY_CAST(t AS TIMESTAMP)
    WHEN regexp_full_match(t, '\d{5}(\.\d+)?') THEN excel_time(t)
    WHEN regexp_full_match(t, '(19|20)\d{6}([ T]?\d\d:?\d\d(:?\d\d)?)?') THEN compact_time(t)
    WHEN regexp_full_match(t, '\d{1,2}-[A-Za-z]{3}-\d{4}.*')
        THEN try_strptime(t, ['%d-%b-%Y', '%d-%b-%Y %H:%M:%S', '%d-%b-%Y %H:%M'])
    ELSE TRY_CAST(coloned(hyphened(t)) AS TIMESTAMP) END;

-- Seconds are kept; years in which no library kept such records are refused.
CREATE OR REPLACE TEMP MACRO plausible(x) AS
    CASE WHEN x >= TIMESTAMP '1980-01-01' AND x < TIMESTAMP '2100-01-01' THEN date_trunc('second', x) END;

-- A time in UTC: with an offset as it says, else by the clock of the zone.  China has had one offset since 1992.
CREATE OR REPLACE TEMP MACRO instant(t, zone) AS plausible(CASE
    WHEN regexp_matches(t, ':\d\d.*([+-]\d\d:?(\d\d)?|[Zz])$') THEN timezone('UTC', TRY_CAST(t AS TIMESTAMPTZ))
    WHEN zone = 'Asia/Shanghai' THEN wall_time(t) - INTERVAL 8 HOUR
    ELSE timezone('UTC', timezone(zone, wall_time(t))) END);
CREATE OR REPLACE TEMP MACRO instant_as(t, zone, pattern) AS
    plausible(timezone('UTC', timezone(zone, try_strptime(t, pattern))));
CREATE OR REPLACE TEMP MACRO local_date(x, zone) AS CASE
    WHEN zone = 'Asia/Shanghai' THEN CAST(x + INTERVAL 8 HOUR AS DATE)
    ELSE CAST(timezone(zone, timezone('UTC', x)) AS DATE) END;

CREATE OR REPLACE TEMP MACRO as_date(t) AS CAST(plausible(wall_time(t)) AS DATE);
CREATE OR REPLACE TEMP MACRO as_month(t) AS CAST(date_trunc('month', CASE
    WHEN regexp_full_match(t, '(19|20)\d\d(0[1-9]|1[0-2])') THEN try_strptime(t || '01', '%Y%m%d')
    WHEN regexp_full_match(t, '\d{4}\s*[年./-]\s*\d{1,2}\s*月?')
        THEN TRY_CAST(regexp_replace(t, '^(\d{4})\D+(\d{1,2}).*$', '\1-\2-1') AS TIMESTAMP)
    WHEN regexp_full_match(t, '[A-Za-z]{3}[ -]\d{4}') THEN try_strptime('01-' || replace(t, ' ', '-'), '%d-%b-%Y')
    ELSE plausible(wall_time(t)) END) AS DATE);
CREATE OR REPLACE TEMP MACRO as_partial_date(t) AS CAST(CASE
    WHEN regexp_full_match(t, '\d{4}') THEN try_strptime(t, '%Y')
    WHEN regexp_full_match(t, '\d{4}-\d{1,2}') THEN try_strptime(t || '-1', '%Y-%m-%d')
    ELSE wall_time(t) END AS DATE);
CREATE OR REPLACE TEMP MACRO as_year(t) AS
    CAST(nullif(regexp_extract(t, '(1[4-9]|20)\d\d'), '') AS INTEGER);

-- One year and nothing else: of 2024-2025 nobody can say which of them.
CREATE OR REPLACE TEMP MACRO as_calendar_year(t) AS CASE
    WHEN regexp_full_match(trim(t), '(19|20)\d\d(\.0)?\s*年?度?') THEN CAST(left(trim(t), 4) AS INTEGER)
    ELSE year(as_date(t)) END;

-- 1,234.5 and 1.234,5 and 12,5: a comma is decimal before one or two digits, else it parts thousands.
CREATE OR REPLACE TEMP MACRO narrow(t) AS translate(t, '０１２３４５６７８９．，－', '0123456789.,-');
CREATE OR REPLACE TEMP MACRO as_narrow_number(t) AS TRY_CAST(CASE
    WHEN regexp_full_match(t, '-?\d{1,3}(,\d{3})+(\.\d+)?') THEN replace(t, ',', '')
    WHEN regexp_full_match(t, '-?\d{1,3}(\.\d{3})+,\d+') THEN replace(replace(t, '.', ''), ',', '.')
    WHEN regexp_full_match(t, '-?\d+,\d{1,2}') THEN replace(t, ',', '.')
    WHEN regexp_full_match(t, '-?\d+(\.\d+)?') THEN t END AS DOUBLE);
CREATE OR REPLACE TEMP MACRO as_number(t) AS as_narrow_number(narrow(t));
CREATE OR REPLACE TEMP MACRO as_count(t) AS
    CASE WHEN as_number(t) >= 0 AND as_number(t) % 1 = 0 THEN CAST(as_number(t) AS BIGINT) END;
CREATE OR REPLACE TEMP MACRO as_cents(t) AS CAST(round(100 * as_narrow_number(regexp_replace(narrow(t),
    '(?i)^(CNY|RMB|USD|EUR|GBP|[￥¥$€£])?\s*|\s*(元|CNY|RMB|USD|EUR|GBP)?$', '', 'g'))) AS BIGINT);

-- A value as an error may show it: 9 for a digit, A for a letter, 文 for a character of another script.
CREATE OR REPLACE TEMP MACRO shape(t) AS
    regexp_replace(regexp_replace(regexp_replace(left(t, 40), '[^\x00-\x7F]', '文', 'g'), '[A-Za-z]', 'A', 'g'),
        '[0-9]', '9', 'g');
CREATE OR REPLACE TEMP MACRO digest64(t) AS md5_number_lower(t);

-- Identifiers as given that fail their check, as ISBN:…
CREATE OR REPLACE TEMP MACRO bad_ids(isbn, issn) AS
    nullif(list_filter(['ISBN:' || isbn, 'ISSN:' || issn], lambda x: x IS NOT NULL), []);

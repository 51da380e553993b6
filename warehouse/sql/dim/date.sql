-- What is each day: of which year, term and academic year?
-- 每一天属于哪个年度、学期、学年？
-- name Date | 日期表
-- column date: Day | 日期
-- column year: Calendar year | 年
-- column quarter: Quarter, 1 to 4 | 季度
-- column month: First day of its month | 月份（首日）
-- column weekday: 1 Monday to 7 Sunday | 星期，1 为星期一
-- column academic_year: Academic year, September to August | 学年（九月至次年八月）
-- column term: autumn (September to January), spring (March to July), or break (February, August) | 学期：autumn 秋季（九月至次年一月），spring 春季（三月至七月），break 假期（二月、八月）
WITH known AS (
    SELECT min(event_date) AS first, max(event_date) AS last FROM catalog.loan
    UNION ALL SELECT min(month), max(month) FROM catalog.item_month
    UNION ALL SELECT min(month), max(month) FROM catalog.eusage
    UNION ALL SELECT min(submitted_date), max(submitted_date) FROM catalog.request
    UNION ALL SELECT min(asked_date), max(asked_date) FROM catalog.attempt
    UNION ALL SELECT min(borrowed_date), max(expires_date) FROM catalog.ebook_loan
    UNION ALL SELECT min(ordered_date), max(ordered_date) FROM catalog.ppv
    UNION ALL SELECT min(month), max(month) FROM catalog.population
    UNION ALL SELECT min(month), max(month) FROM catalog.system_usage
    UNION ALL SELECT make_date(min(year), 1, 1), make_date(max(year), 12, 31) FROM catalog.cost
),
ends AS (
    SELECT coalesce(min(first), DATE '2020-01-01') AS first, coalesce(max(last), DATE '2020-12-31') AS last FROM known
)
SELECT CAST(day AS DATE) AS date, year(day) AS year, quarter(day) AS quarter,
    CAST(date_trunc('month', day) AS DATE) AS month, isodow(day) AS weekday,
    year(day - INTERVAL 8 MONTH) || '-' || year(day + INTERVAL 4 MONTH) AS academic_year,
    CASE WHEN month(day) IN (2, 8) THEN 'break' WHEN month(day) BETWEEN 3 AND 7 THEN 'spring' ELSE 'autumn' END AS term
FROM ends, range(
    date_trunc('year', first)::TIMESTAMP, date_trunc('year', last)::TIMESTAMP + INTERVAL 1 YEAR, INTERVAL 1 DAY
) AS days(day)
ORDER BY date

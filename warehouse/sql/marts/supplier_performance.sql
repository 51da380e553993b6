-- How reliably and how fast does each library supply what others ask of it?
-- 各提供馆的满足率与周转时间如何？
-- name Performance of suppliers | 提供馆表现
-- column supplier: Member code of the supplier; its name as given where it is no member | 提供馆代码，非成员馆用原名
-- column is_member: Whether it is a member | 是否成员馆
-- column year: Calendar year in which it was asked, by the clock of the library that tells | 派送年（馆方时间）
-- column attempts: Times it was asked | 派送次数
-- column filled: Attempts that it filled | 满足次数
-- column unfilled: Attempts that it did not fill | 未满足次数
-- column cancelled: Attempts taken back | 取消次数
-- column open: Attempts without an end yet | 未结束次数
-- column fill_rate: filled / (filled + unfilled): closed attempts without cancelled ones | 满足率 = 满足 /（满足 + 未满足）
-- column median_hours: Median of the calendar hours from being asked to supply | 中位周转时间（小时，派送至提供）
-- column p90_hours: 90th percentile of the same | 第 90 百分位周转时间（小时）
-- column mean_fee_cents: Mean fee of filled attempts that have one, in hundredths of a yuan; other currencies left out | 平均费用（分，仅计人民币）
WITH asked AS (
    SELECT coalesce(supplier_code, supplier, '?') AS supplier, supplier_code IS NOT NULL AS is_member,
        year(asked_date) AS year, outcome, epoch(supplied_at - asked_at) / 3600 AS hours,
        CASE WHEN coalesce(currency, 'CNY') = 'CNY' THEN fee_cents END AS fee_cents
    FROM catalog.attempt WHERE NOT told_twice
)
SELECT supplier, is_member, year, count(*) AS attempts, count(*) FILTER (outcome = 'filled') AS filled,
    count(*) FILTER (outcome = 'unfilled') AS unfilled, count(*) FILTER (outcome = 'cancelled') AS cancelled,
    count(*) FILTER (outcome = 'open') AS open,
    count(*) FILTER (outcome = 'filled') / nullif(count(*) FILTER (outcome IN ('filled', 'unfilled')), 0) AS fill_rate,
    median(hours) FILTER (outcome = 'filled' AND hours >= 0) AS median_hours,
    quantile_cont(hours, 0.9) FILTER (outcome = 'filled' AND hours >= 0) AS p90_hours,
    fsum(fee_cents) FILTER (outcome = 'filled') / nullif(count(fee_cents) FILTER (outcome = 'filled'), 0) AS mean_fee_cents
FROM asked GROUP BY supplier, is_member, year ORDER BY supplier, is_member, year

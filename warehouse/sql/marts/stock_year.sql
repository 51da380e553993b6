-- How large was the stock of each member in each class, on average over each year?
-- 各成员馆各类每年平均有多少可外借单册？
-- name Stock by year | 年度馆藏
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column scheme: Classification of the bibs; none for orphans too | 分类法，无法对应的单册为 none
-- column class: Main class | 大类
-- column months: Months of the year for which the member's stock is known; 0: the stock as catalogued stands for all years | 该年有快照的月数；0 表示无快照，以现有编目单册代替
-- column items: Mean number of items over these months | 平均单册数
-- column loanable_items: Mean number of loanable items: sum over the months / months; not stated counts as loanable | 平均可外借单册数：各月可外借数之和 / 月数，未注明视为可借
WITH monthly AS (
    SELECT member_code, month, bool_or(from_snapshot) AS snapshot, bib_id, count(*) AS items,
        count(*) FILTER (loanable IS DISTINCT FROM false) AS loanable
    FROM catalog.item_month GROUP BY member_code, month, bib_id
),
classed AS (
    SELECT member_code, month, bool_or(snapshot) AS snapshot, coalesce(scheme, 'none') AS scheme,
        coalesce(class, '-') AS class, sum(items) AS items, sum(loanable) AS loanable
    FROM monthly LEFT JOIN dim.bib USING (bib_id) GROUP BY ALL
),
counted AS (
    SELECT member_code, year(month) AS year, count(DISTINCT month) AS months
    FROM classed WHERE snapshot GROUP BY member_code, year(month)
),
lending AS (
    SELECT DISTINCT member_code, year(event_date) AS year FROM catalog.loan
    UNION SELECT member_code, year FROM counted
),
-- without any snapshot the stock as catalogued stands for every year in which the member lent
catalogued AS (
    SELECT classed.member_code, lending.year, scheme, class, items, loanable
    FROM classed JOIN lending USING (member_code)
    WHERE NOT snapshot AND NOT EXISTS (SELECT 1 FROM counted WHERE counted.member_code = classed.member_code)
)
SELECT member_code, counted.year, scheme, class, months,
    CAST(sum(items) / months AS DOUBLE) AS items, CAST(sum(loanable) / months AS DOUBLE) AS loanable_items
FROM classed JOIN counted USING (member_code)
WHERE snapshot AND year(month) = counted.year
GROUP BY member_code, counted.year, scheme, class, months
UNION ALL
SELECT member_code, year, scheme, class, 0, CAST(sum(items) AS DOUBLE), CAST(sum(loanable) AS DOUBLE)
FROM catalogued GROUP BY ALL
ORDER BY member_code, year, scheme, class

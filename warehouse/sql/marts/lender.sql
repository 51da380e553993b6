-- How good a lender is each member, part by part, wherever the bib is held?
-- 各成员馆作为提供馆的各项评分是多少？
-- name Lender | 提供馆评分
-- column member_code: Member library code | 成员馆代码
-- column attempts: Closed attempts in the last two years known, cancelled ones left out | 最近两年已结束的派送次数（不含取消）
-- column filled: Those that it filled | 其中满足次数
-- column fill_part: (filled + 5 × fill rate of all) / (attempts + 5): a library rarely asked counts as an ordinary one | 满足分 =（满足数 + 5 × 总满足率）/（派送数 + 5），少有派送的馆近于平均
-- column median_hours: Median of hours from being asked to supply | 中位周转时间（小时）
-- column speed_part: 1 / (1 + median_hours / 72): 1 at once, 0.5 after three days; that of all where it has none | 速度分 = 1 /（1 + 中位小时 / 72），无数据时取总体值
-- column lent: Filled requests that it supplied in these years | 这些年提供并满足的申请数
-- column borrowed: Filled requests of its own | 这些年获满足的申请数
-- column load_part: (borrowed + 1) / (lent + borrowed + 2): 0.5 in balance; who lends more than it borrows is asked less | 负担分 =（借入 + 1）/（借出 + 借入 + 2），平衡时为 0.5，借出多者少派
WITH newest AS (SELECT coalesce(max(year), 0) AS year FROM marts.supplier_performance),
asked AS (
    SELECT supplier_code AS member_code, outcome = 'filled' AS filled, epoch(supplied_at - asked_at) / 3600 AS hours
    FROM catalog.attempt, newest
    WHERE supplier_code IS NOT NULL AND outcome IN ('filled', 'unfilled') AND year(asked_date) >= newest.year - 1
        AND NOT told_twice
),
overall AS (
    SELECT coalesce(count(*) FILTER (filled) / nullif(count(*), 0), 0.5) AS fill_rate,
        coalesce(median(hours) FILTER (filled AND hours >= 0), 72) AS hours
    FROM asked
),
each AS (
    SELECT member_code, count(*) AS attempts, count(*) FILTER (filled) AS filled,
        median(hours) FILTER (filled AND hours >= 0) AS median_hours
    FROM asked GROUP BY member_code
),
balance AS (
    SELECT member_code, sum(lent) AS lent, sum(borrowed) AS borrowed
    FROM marts.lending_balance, newest WHERE lending_balance.year >= newest.year - 1 GROUP BY member_code
)
SELECT member_code, coalesce(attempts, 0) AS attempts, coalesce(filled, 0) AS filled,
    (coalesce(filled, 0) + 5 * overall.fill_rate) / (coalesce(attempts, 0) + 5) AS fill_part,
    median_hours, 1 / (1 + coalesce(median_hours, overall.hours) / 72) AS speed_part,
    CAST(coalesce(lent, 0) AS BIGINT) AS lent, CAST(coalesce(borrowed, 0) AS BIGINT) AS borrowed,
    CAST((coalesce(borrowed, 0) + 1) / (coalesce(lent, 0) + coalesce(borrowed, 0) + 2) AS DOUBLE) AS load_part
FROM dim.member LEFT JOIN each USING (member_code) LEFT JOIN balance USING (member_code) CROSS JOIN overall
ORDER BY member_code

-- How often was each title lent in each month, and by how many members?
-- 每种书目每月借出多少次？由多少馆借出？
-- name Loans by title and month | 书目月借阅
-- column month: First day of the month, by the library's clock | 月份（首日，馆方时间）
-- column bib_id: Union catalogue identifier; none where the item is not known | 联合目录书目号；单册无法对应时为空
-- column title: Title proper | 正题名
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter | 大类（一个字母）
-- column loans: Loans, renewals apart | 借出次数（不含续借）
-- column renewals: Renewals | 续借次数
-- column members: Members that lent or renewed it | 借出或续借馆数
WITH counted AS (
    SELECT CAST(date_trunc('month', event_date) AS DATE) AS month, bib_id,
        count(*) FILTER (event_type = 'loan') AS loans,
        count(*) FILTER (event_type = 'renew') AS renewals,
        count(DISTINCT member_code) AS members
    FROM catalog.loan
    WHERE event_type IN ('loan', 'renew')
    GROUP BY ALL
)
SELECT month, counted.bib_id, title, scheme, class, loans, renewals, members
FROM counted LEFT JOIN dim.bib USING (bib_id)
ORDER BY month, counted.bib_id

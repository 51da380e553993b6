-- Which titles are lent most in each year, and how many readers stand behind it?
-- 每年借阅排行榜：哪些书借得最多？有多少不同读者？
-- name Title ranking | 借阅排行
-- column member_code: Member library code; ALL for all members together | 成员馆代码，ALL 为全部成员馆合计
-- column year: Calendar year | 年
-- column rank: Place by loans, 1 first; equal loans have equal places | 名次，借出次数相同者并列
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column creator: First person or body responsible | 第一责任者
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column loans: Loans, renewals apart | 借出次数（不含续借）
-- column renewals: Renewals | 续借次数
-- column readers: Different readers, of ALL those of the members that have 5 or more added up; none where fewer than 5 or not known | 不同读者数，ALL 为各馆（5 人及以上者）之和；少于 5 人或未知时为空
-- column members: Members that lent it | 借出馆数
-- Of each member and year the first hundred places.
WITH lent AS (
    SELECT member_code, year(event_date) AS year, bib_id, count(*) FILTER (event_type = 'loan') AS loans,
        count(*) FILTER (event_type = 'renew') AS renewals,
        shown(nullif(count(DISTINCT reader_key) FILTER (event_type = 'loan'), 0),
            count(DISTINCT reader_key) FILTER (event_type = 'loan')) AS readers
    FROM memory.catalog.loan
    WHERE event_type IN ('loan', 'renew') AND bib_id IS NOT NULL
    GROUP BY ALL
),
summed AS (
    SELECT coalesce(member_code, 'ALL') AS member_code, year, bib_id, CAST(sum(loans) AS BIGINT) AS loans,
        CAST(sum(renewals) AS BIGINT) AS renewals, CAST(sum(readers) AS BIGINT) AS readers, count(*) AS members
    FROM lent WHERE loans > 0
    GROUP BY GROUPING SETS ((member_code, year, bib_id), (year, bib_id))
),
ranked AS (
    SELECT *, rank() OVER (PARTITION BY member_code, year ORDER BY loans DESC) AS rank
    FROM summed QUALIFY rank <= 100
)
SELECT member_code, year, rank, bib_id, title, creator, scheme, class, loans, renewals,
    readers, members
FROM ranked JOIN dim.bib USING (bib_id)
ORDER BY member_code, year, rank, bib_id

-- Which classes are used more, and which less, than their part of the stock?
-- 哪些类别的借阅超过其馆藏占比？哪些不足？
-- name Use ratio | 分类使用比
-- column member_code: Member library code; ALL for all members that report loans together | 成员馆代码，ALL 为全部报送馆合计
-- column year: Calendar year | 年
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column loans: Loans, renewals apart, of items that a record has: what no record has is in no class of the stock | 借出次数（不含续借），仅计有对应单册者
-- column loan_share: loans / loans of all classes | 借阅占比 = 本类借出次数 / 全部借出次数
-- column loanable_items: Mean number of loanable items | 平均可外借单册数
-- column stock_share: loanable_items / those of all classes | 馆藏占比 = 本类可外借单册数 / 全部可外借单册数
-- column use_ratio: Use ratio: loan_share / stock_share; above 1 the class is used more than its part of the stock | 使用比 = 借阅占比 / 馆藏占比，大于 1 为使用偏高
WITH lent AS (
    SELECT member_code, year(event_date) AS year, bib_id, count(*) AS loans
    FROM catalog.loan WHERE event_type = 'loan' AND item_link <> 'none' GROUP BY ALL
),
loans AS (
    SELECT coalesce(member_code, 'ALL') AS member_code, year, scheme, class, CAST(sum(loans) AS BIGINT) AS loans
    FROM (
        SELECT member_code, year, coalesce(scheme, 'none') AS scheme, coalesce(class, '-') AS class, loans
        FROM lent LEFT JOIN dim.bib USING (bib_id)
    )
    GROUP BY GROUPING SETS ((member_code, year, scheme, class), (year, scheme, class))
),
stock AS (
    SELECT coalesce(member_code, 'ALL') AS member_code, year, scheme, class, sum(loanable_items) AS loanable_items
    FROM marts.stock_year
    WHERE (member_code, year) IN (SELECT (member_code, year) FROM lent)
    GROUP BY GROUPING SETS ((member_code, year, scheme, class), (year, scheme, class))
),
shared AS (
    SELECT member_code, year, scheme, class, coalesce(loans, 0) AS loans,
        coalesce(loans, 0) / nullif(sum(loans) OVER whole, 0) AS loan_share,
        coalesce(loanable_items, 0) AS loanable_items,
        coalesce(loanable_items, 0) / nullif(sum(loanable_items) OVER whole, 0) AS stock_share
    FROM loans FULL JOIN stock USING (member_code, year, scheme, class)
    WINDOW whole AS (PARTITION BY member_code, year)
)
SELECT *, loan_share / nullif(stock_share, 0) AS use_ratio
FROM shared ORDER BY member_code, year, scheme, class

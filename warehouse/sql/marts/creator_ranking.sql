-- Whose books are lent most in each year?
-- 每年哪些责任者的书借得最多？
-- name Creator ranking | 责任者借阅排行
-- column year: Calendar year | 年
-- column rank: Place by loans, 1 first; equal loans have equal places | 名次，借出次数相同者并列
-- column creator: First person or body responsible, as the bibs have it | 第一责任者
-- column titles: Different titles lent | 借出的不同书目数
-- column loans: Loans, renewals apart | 借出次数（不含续借）
-- column members: Members that lent them | 借出馆数
WITH lent AS (
    SELECT year(event_date) AS year, member_code, bib_id, count(*) AS loans
    FROM catalog.loan WHERE event_type = 'loan' AND bib_id IS NOT NULL GROUP BY ALL
),
ranked AS (
    SELECT year, creator, count(DISTINCT bib_id) AS titles, CAST(sum(loans) AS BIGINT) AS loans,
        count(DISTINCT member_code) AS members, rank() OVER (PARTITION BY year ORDER BY sum(loans) DESC) AS rank
    FROM lent JOIN dim.bib USING (bib_id) WHERE creator IS NOT NULL
    GROUP BY year, creator QUALIFY rank <= 100
)
SELECT year, rank, creator, titles, loans, members FROM ranked ORDER BY year, rank, creator

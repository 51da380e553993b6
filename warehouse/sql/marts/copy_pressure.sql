-- For which titles are there more holds than copies can serve?
-- 哪些书预约多而复本少？
-- name Copy pressure | 复本压力
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column copies: Loanable items of the member that were in the stock in the year, withdrawn ones left out; not stated counts as loanable | 当年在藏的可外借复本数，已剔除者不计，未注明视为可借
-- column holds: Holds placed in the year | 全年预约次数
-- column loans: Loans in the year | 全年借出次数
-- column copy_pressure: holds / copies; none without a loanable copy | 复本压力 = 预约次数 / 复本数，无可外借复本时为空
WITH wanted AS (
    SELECT member_code, year(event_date) AS year, bib_id, count(*) FILTER (event_type = 'hold') AS holds,
        count(*) FILTER (event_type = 'loan') AS loans
    FROM catalog.loan WHERE event_type IN ('hold', 'loan') AND bib_id IS NOT NULL GROUP BY ALL HAVING holds > 0
),
copies AS (
    SELECT member_code, year, bib_id, count(*) AS copies FROM marts.item_use JOIN wanted USING (member_code, bib_id)
    WHERE loanable AND (in_stock_from IS NULL OR in_stock_from < make_date(year + 1, 1, 1))
        AND (in_stock_to IS NULL OR in_stock_to >= make_date(year, 1, 1))
    GROUP BY ALL
)
SELECT member_code, year, bib_id, title, coalesce(copies, 0) AS copies, holds, loans,
    holds / copies AS copy_pressure
FROM wanted LEFT JOIN copies USING (member_code, year, bib_id) LEFT JOIN dim.bib USING (bib_id)
ORDER BY member_code, year, holds / copies DESC NULLS FIRST, bib_id

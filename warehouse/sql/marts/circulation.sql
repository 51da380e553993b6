-- How much did each member lend in each year, and how much of its stock was turned over?
-- 各成员馆每年借出多少？借阅率、馆藏周转率是多少？
-- name Circulation | 流通统计
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year, by the library's clock | 年（馆方时间）
-- column loans: Loans, renewals apart | 借出次数（不含续借）
-- column renewals: Renewals | 续借次数
-- column returns: Returns | 归还次数
-- column inhouse: Times read in the library | 馆内阅览次数
-- column holds: Holds placed | 预约次数
-- column orphan_loans: Loans of items that no record has | 无法对应单册的借出次数
-- column returns_without_loan: Returns that follow no loan or renewal of that item known here; one of the same moment counts as before it | 此前无借出或续借记录的归还次数，同一时刻者视为在前
-- column items_lent: Different items lent at least once | 借出过的不同单册数
-- column loanable_items: Mean number of loanable items (marts.stock_year) | 平均可外借单册数
-- column borrowed_share: Borrowed share (借阅率): items_lent that are in the stock / loanable_items | 借阅率 = 借出过的在藏单册数 / 平均可外借单册数
-- column turnover: Turnover (流通率): loans / loanable_items; renewals left out (ISO 11620 collection turnover) | 流通率（馆藏周转率）= 借出次数 / 平均可外借单册数，不含续借
-- column turnover_with_renewals: (loans + renewals) / loanable_items | 含续借周转率 =（借出 + 续借）/ 平均可外借单册数
-- column readers: Different readers who borrowed; none where they are fewer than 5 or not known | 借书读者数，少于 5 人或未知时为空
WITH ordered AS (
    -- a log of days only has loan and return of a day in no order: loans stand last, so that a return finds the loan
    -- of before it, and one of the same day is looked for behind it
    SELECT member_code, year(event_date) AS year, event_type = 'return'
            AND lag(event_type, 1, 'return') OVER item = 'return'
            AND NOT (lead(event_type, 1, 'return') OVER item <> 'return' AND lead(event_time) OVER item = event_time)
        AS loose
    FROM catalog.loan
    WHERE event_type IN ('loan', 'renew', 'return')
    WINDOW item AS (
        PARTITION BY member_code, barcode ORDER BY event_time, event_type <> 'return', event_id
    )
),
loose AS (SELECT member_code, year, count(*) AS returns FROM ordered WHERE loose GROUP BY member_code, year),
counted AS (
    SELECT member_code, year(event_date) AS year,
        count(*) FILTER (event_type = 'loan') AS loans,
        count(*) FILTER (event_type = 'renew') AS renewals,
        count(*) FILTER (event_type = 'return') AS returns,
        count(*) FILTER (event_type = 'inhouse') AS inhouse,
        count(*) FILTER (event_type = 'hold') AS holds,
        count(*) FILTER (event_type = 'loan' AND item_link = 'none') AS orphan_loans,
        count(DISTINCT barcode) FILTER (event_type = 'loan') AS items_lent,
        count(DISTINCT barcode) FILTER (event_type = 'loan' AND item_link <> 'none') AS stock_lent
    FROM catalog.loan WHERE event_type IN ('loan', 'renew', 'return', 'inhouse', 'hold') GROUP BY ALL
),
stock AS (
    SELECT member_code, year, sum(loanable_items) AS loanable_items FROM marts.stock_year GROUP BY member_code, year
),
borrowers AS (
    SELECT member_code, year(event_date) AS year, count(DISTINCT reader_key) AS readers
    FROM memory.catalog.loan WHERE event_type = 'loan' AND reader_key IS NOT NULL GROUP BY ALL
)
SELECT member_code, year, loans, renewals, counted.returns, inhouse, holds, orphan_loans,
    coalesce(loose.returns, 0) AS returns_without_loan, items_lent, loanable_items,
    stock_lent / nullif(loanable_items, 0) AS borrowed_share, loans / nullif(loanable_items, 0) AS turnover,
    (loans + renewals) / nullif(loanable_items, 0) AS turnover_with_renewals, shown(readers, readers) AS readers
FROM counted LEFT JOIN loose USING (member_code, year) LEFT JOIN stock USING (member_code, year)
LEFT JOIN borrowers USING (member_code, year)
ORDER BY member_code, year

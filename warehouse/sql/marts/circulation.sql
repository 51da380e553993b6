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
-- column returns_without_loan: Returns that follow no loan or renewal of that item known here | 此前无借出记录的归还次数
-- column items_lent: Different items lent at least once | 借出过的不同单册数
-- column loanable_items: Mean number of loanable items (marts.stock_year) | 平均可外借单册数
-- column borrowed_share: Borrowed share (借阅率): items_lent that are in the stock / loanable_items | 借阅率 = 借出过的在藏单册数 / 平均可外借单册数
-- column turnover: Turnover (流通率): loans / loanable_items; renewals left out (ISO 11620 collection turnover) | 流通率（馆藏周转率）= 借出次数 / 平均可外借单册数，不含续借
-- column turnover_with_renewals: (loans + renewals) / loanable_items | 含续借周转率 =（借出 + 续借）/ 平均可外借单册数
-- column readers: Different readers who borrowed; none where they are fewer than 5 or not known | 借书读者数，少于 5 人或未知时为空
WITH ordered AS (
    SELECT member_code, year(event_date) AS year, event_type, barcode, item_link,
        event_type = 'return' AND lag(event_type, 1, 'none') OVER item NOT IN ('loan', 'renew') AS loose
    FROM catalog.loan
    WHERE event_type IN ('loan', 'renew', 'return', 'inhouse', 'hold')
    WINDOW item AS (
        PARTITION BY member_code, barcode, event_type IN ('inhouse', 'hold') ORDER BY event_time, event_id
    )
),
counted AS (
    SELECT member_code, year,
        count(*) FILTER (event_type = 'loan') AS loans,
        count(*) FILTER (event_type = 'renew') AS renewals,
        count(*) FILTER (event_type = 'return') AS returns,
        count(*) FILTER (event_type = 'inhouse') AS inhouse,
        count(*) FILTER (event_type = 'hold') AS holds,
        count(*) FILTER (event_type = 'loan' AND item_link = 'none') AS orphan_loans,
        count(*) FILTER (loose) AS returns_without_loan,
        count(DISTINCT barcode) FILTER (event_type = 'loan') AS items_lent,
        count(DISTINCT barcode) FILTER (event_type = 'loan' AND item_link <> 'none') AS stock_lent
    FROM ordered GROUP BY member_code, year
),
stock AS (
    SELECT member_code, year, sum(loanable_items) AS loanable_items FROM marts.stock_year GROUP BY member_code, year
),
borrowers AS (
    SELECT member_code, year(event_date) AS year, count(DISTINCT reader_key) AS readers
    FROM memory.catalog.loan WHERE event_type = 'loan' AND reader_key IS NOT NULL GROUP BY ALL
)
SELECT member_code, year, loans, renewals, returns, inhouse, holds, orphan_loans, returns_without_loan, items_lent,
    loanable_items, stock_lent / loanable_items AS borrowed_share, loans / loanable_items AS turnover,
    (loans + renewals) / loanable_items AS turnover_with_renewals, shown(readers, readers) AS readers
FROM counted LEFT JOIN stock USING (member_code, year) LEFT JOIN borrowers USING (member_code, year)
ORDER BY member_code, year

-- How has each item been used since it is known?
-- 每一单册自有记录以来的使用情况如何？
-- name Use of items | 单册使用
-- column member_code: Member that has the item (an item moved between members is one of each) | 成员馆代码（在馆间移动的单册，各馆分别计）
-- column barcode: Barcode of the item; none of a catalogued one that has none | 条码号，编目单册无条码时为空
-- column bib_id: Union catalogue identifier; none for an orphan | 联合目录书目号，无法对应时为空
-- column location: Location in the newest month known | 馆藏地（最近月份）
-- column loanable: Whether it may be lent; taken for yes where no file says no | 是否可外借，未注明视为可借
-- column accession_date: When it was added to the stock, where known | 入藏日期（已知时）
-- column first_month: First month in which it was in the stock | 最早在藏月份
-- column last_month: Last month in which it was in the stock | 最近在藏月份
-- column in_stock_from: Since when it is in the stock: its accession_date, or first_month where a month since then lacks it; none where neither tells | 在藏起始：入藏日期；其后某月快照中没有时取最早在藏月份；均无从得知时为空
-- column in_stock_to: Last month in which it was in the stock; none while it still is | 离藏前最后一月，仍在藏时为空
-- column price_cents: Price in hundredths of the currency | 价格（分）
-- column loans: Loans, renewals apart; of an item without a barcode nothing is known, as of what follows | 借出次数（不含续借）；无条码的单册无从得知，以下同
-- column renewals: Renewals | 续借次数
-- column inhouse: Times read in the library | 馆内阅览次数
-- column last_loan_date: Day of the last loan | 最近借出日期
WITH stock AS (
    SELECT member_code, barcode, arg_max(bib_id, month) AS bib_id, arg_max(location, month) AS location,
        coalesce(arg_max(loanable, month), true) AS loanable, min(accession_date) AS accession_date,
        min(month) AS first_month, max(month) AS last_month, arg_max(price_cents, month) AS price_cents,
        CASE WHEN barcode IS NULL THEN row_key END AS unnamed
    FROM catalog.item_month
    GROUP BY member_code, barcode, unnamed
),
-- months of which a member's stock is known, each with the one before it
known AS (
    SELECT member_code, month AS first_month, lag(month) OVER member AS month_before,
        last_value(month) OVER member AS newest
    FROM (SELECT DISTINCT member_code, month FROM catalog.item_month)
    WINDOW member AS (
        PARTITION BY member_code ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
),
used AS (
    SELECT member_code, barcode, count(*) FILTER (event_type = 'loan') AS loans,
        count(*) FILTER (event_type = 'renew') AS renewals, count(*) FILTER (event_type = 'inhouse') AS inhouse,
        max(event_date) FILTER (event_type = 'loan') AS last_loan_date
    FROM catalog.loan
    WHERE event_type IN ('loan', 'renew', 'inhouse')
    GROUP BY member_code, barcode
)
SELECT member_code, barcode, bib_id, location, loanable, accession_date, first_month, last_month,
    CASE WHEN accession_date >= month_before OR month_before IS NULL THEN accession_date ELSE first_month END
        AS in_stock_from,
    CASE WHEN last_month < newest THEN last_month END AS in_stock_to, price_cents,
    CASE WHEN unnamed IS NULL THEN coalesce(loans, 0) END AS loans,
    CASE WHEN unnamed IS NULL THEN coalesce(renewals, 0) END AS renewals,
    CASE WHEN unnamed IS NULL THEN coalesce(inhouse, 0) END AS inhouse, last_loan_date
FROM stock JOIN known USING (member_code, first_month) LEFT JOIN used USING (member_code, barcode)
ORDER BY member_code, barcode, unnamed

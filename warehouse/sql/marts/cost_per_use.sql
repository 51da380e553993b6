-- What does one use cost, of each kind of service?
-- 各类服务每次使用的成本是多少？
-- name Cost per use | 次均成本
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column service: print (items added in the year, and loans of the year), ppv, ill (what it borrowed), system (a rented system) | 服务：print 当年新增单册与当年借阅，ppv 单篇付费，ill 借入，system 共享系统
-- column detail: Platform or system; none for print and ill | 平台或系统
-- column currency: Currency; prices of items are in CNY | 币种，单册价格以人民币计
-- column spend_cents: Spent, in hundredths of the currency; amounts not given left out | 支出（分），未给出的不计
-- column uses: Loans, orders, filled requests, or transactions (logins where there are none) | 使用次数：借出、订单、满足的申请或业务量（无则登录次数）
-- column cost_per_use_cents: spend_cents / uses | 次均成本（分）= 支出 / 使用次数
WITH printed AS (
    SELECT member_code, year(accession_date) AS year, sum(price_cents) AS spend FROM marts.item_use
    WHERE price_cents IS NOT NULL AND accession_date IS NOT NULL GROUP BY ALL
),
used AS (
    SELECT member_code, year, 'print' AS service, NULL AS detail, 'CNY' AS currency, spend, loans AS uses
    FROM printed JOIN marts.circulation USING (member_code, year)
    UNION ALL
    SELECT member_code, year(ordered_date), 'ppv', platform, coalesce(currency, 'CNY'), sum(price_cents), count(*)
    FROM catalog.ppv GROUP BY ALL
    UNION ALL
    SELECT member_code, year(coalesce(submitted_date, CAST(submitted_at AS DATE))), 'ill', NULL,
        coalesce(currency, 'CNY'), sum(fee_cents), count(*) FILTER (outcome = 'filled')
    FROM catalog.request WHERE role = 'borrow' GROUP BY ALL
    UNION ALL
    SELECT member_code, year(month), 'system', system, 'CNY', sum(fee_cents), sum(coalesce(transactions, logins))
    FROM catalog.system_usage GROUP BY ALL
)
SELECT member_code, year, service, detail, currency, CAST(spend AS BIGINT) AS spend_cents,
    CAST(uses AS BIGINT) AS uses, spend / nullif(uses, 0) AS cost_per_use_cents
FROM used WHERE spend IS NOT NULL
ORDER BY member_code, year, service, detail, currency

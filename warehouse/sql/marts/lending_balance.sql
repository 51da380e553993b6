-- Who lends more than it borrows?
-- 各成员馆借出与借入是否平衡？
-- name Lending balance | 馆际互借平衡
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column lent: Filled requests that it supplied | 提供并满足的申请数
-- column borrowed: Filled requests of its own | 本馆获满足的申请数
-- column net: lent - borrowed; above 0 a net lender | 净借出 = 借出 - 借入，大于 0 为净提供馆
-- column fees_earned_cents: Fees of what it lent, in hundredths of a yuan; other currencies left out | 收入费用（分，仅计人民币）
-- column fees_paid_cents: Fees of what it borrowed, likewise | 支出费用（分，仅计人民币）
WITH filled AS (
    SELECT * REPLACE (CASE WHEN coalesce(currency, 'CNY') = 'CNY' THEN fee_cents END AS fee_cents),
        year(coalesce(submitted_date, CAST(submitted_at AS DATE))) AS year FROM catalog.request
    WHERE outcome = 'filled'
),
-- a request that both sides report counts once; the supplier is the attempt that filled it, else the partner
supplier AS (
    SELECT member_code, source_id, request_id, arg_max(supplier_code, attempt_no) AS supplier_code
    FROM catalog.attempt WHERE outcome = 'filled' AND role = 'borrow' GROUP BY ALL
),
moved AS (
    SELECT request_id, year, filled.member_code AS borrower, coalesce(supplier_code, partner_code) AS lender, fee_cents
    FROM filled LEFT JOIN supplier USING (member_code, source_id, request_id) WHERE role = 'borrow'
    UNION ALL
    SELECT request_id, year, partner_code, member_code, fee_cents FROM filled AS lending
    WHERE role = 'lend' AND NOT EXISTS (
        SELECT 1 FROM filled AS own WHERE own.role = 'borrow' AND own.request_id = lending.request_id
            AND own.member_code = lending.partner_code
    )
),
sides AS (
    SELECT lender AS member_code, year, 1 AS lent, 0 AS borrowed, fee_cents AS earned, 0 AS paid FROM moved
    UNION ALL SELECT borrower, year, 0, 1, 0, fee_cents FROM moved
)
SELECT member_code, year, CAST(sum(lent) AS BIGINT) AS lent, CAST(sum(borrowed) AS BIGINT) AS borrowed,
    CAST(sum(lent) - sum(borrowed) AS BIGINT) AS net, CAST(coalesce(sum(earned), 0) AS BIGINT) AS fees_earned_cents,
    CAST(coalesce(sum(paid), 0) AS BIGINT) AS fees_paid_cents
FROM sides WHERE member_code IS NOT NULL GROUP BY member_code, year ORDER BY member_code, year

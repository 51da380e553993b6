-- On which platforms are electronic resources used, and by how many members?
-- 电子资源使用涉及哪些平台？有多少馆使用？
-- name Platform | 平台表
-- column platform: Platform, as reports name it | 平台名称
-- column counter: Whether there are COUNTER reports of it | 是否有 COUNTER 报告
-- column ebooks: Whether electronic books are lent on it | 是否有电子书借阅
-- column ppv: Whether articles are bought on it one by one | 是否有单篇付费订单
-- column paid: Whether it was paid for as a whole or by package | 是否有年度费用
-- column members: Members that use it or pay for it | 使用或付费馆数
WITH seen AS (
    SELECT DISTINCT platform, member_code, 'counter' AS kind FROM catalog.eusage
    UNION ALL SELECT DISTINCT platform, member_code, 'ebooks' FROM catalog.ebook_loan WHERE platform IS NOT NULL
    UNION ALL SELECT DISTINCT platform, member_code, 'ppv' FROM catalog.ppv
    UNION ALL SELECT DISTINCT platform, member_code, 'paid' FROM catalog.cost WHERE platform IS NOT NULL
)
SELECT platform, bool_or(kind = 'counter') AS counter, bool_or(kind = 'ebooks') AS ebooks,
    bool_or(kind = 'ppv') AS ppv, bool_or(kind = 'paid') AS paid, count(DISTINCT member_code) AS members
FROM seen GROUP BY platform ORDER BY platform

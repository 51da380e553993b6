-- How much are electronic books lent, and how many copies are out at once?
-- 电子书借阅多少？同时借出多少？
-- name Loans of electronic books | 电子书借阅统计
-- column member_code: Member library code | 成员馆代码
-- column platform: Platform; none where not given | 平台
-- column month: First day of the month, by the library's clock: every one in which a loan began or at whose end one lasts | 月份（首日）：有新借阅，或月末有未到期借阅
-- column loans: Loans begun in the month | 本月借出次数
-- column titles: Different titles lent | 借出的不同题名数
-- column readers: Different readers; none where fewer than 5 or not known | 读者数，少于 5 人或未知时为空
-- column active_at_end: Loans that had begun and not yet expired on the last day of the month | 月末未到期的借阅数
WITH begun AS (
    SELECT member_code, platform, CAST(date_trunc('month', borrowed_date) AS DATE) AS month, count(*) AS loans,
        count(DISTINCT coalesce(title_id, isbn, title)) AS titles, nullif(count(DISTINCT reader_key), 0) AS readers
    FROM memory.catalog.ebook_loan GROUP BY ALL
),
-- every month at whose end a loan lasts, and those in which one began
lasting AS (
    SELECT member_code, platform, CAST(unnest(range(
            CAST(date_trunc('month', borrowed_date) AS TIMESTAMP), CAST(expires_date AS TIMESTAMP) + INTERVAL 1 DAY,
            INTERVAL 1 MONTH
        )) AS DATE) AS month, borrowed_date, expires_date
    FROM catalog.ebook_loan
),
active AS (
    SELECT member_code, platform, month, count(*) FILTER (expires_date >= last_day(month)) AS loans,
        bool_or(month = date_trunc('month', borrowed_date)) AS new
    FROM lasting GROUP BY ALL
)
SELECT active.member_code, active.platform, active.month, coalesce(begun.loans, 0) AS loans,
    coalesce(titles, 0) AS titles, CASE WHEN begun.loans IS NULL THEN 0 ELSE shown(readers, readers) END AS readers,
    active.loans AS active_at_end
FROM active LEFT JOIN begun ON begun.member_code = active.member_code AND begun.month = active.month
    AND begun.platform IS NOT DISTINCT FROM active.platform
WHERE new OR active.loans > 0
ORDER BY active.member_code, active.platform, active.month

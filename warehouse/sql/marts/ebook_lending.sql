-- How much are electronic books lent, and how many copies are out at once?
-- 电子书借阅多少？同时借出多少？
-- name Loans of electronic books | 电子书借阅统计
-- column member_code: Member library code | 成员馆代码
-- column platform: Platform; none where not given | 平台
-- column month: First day of the month, by the library's clock | 月份（首日）
-- column loans: Loans begun in the month | 本月借出次数
-- column titles: Different titles lent | 借出的不同题名数
-- column readers: Different readers; none where fewer than 5 or not known | 读者数，少于 5 人或未知时为空
-- column active_at_end: Loans that had begun and not yet expired on the last day of the month | 月末未到期的借阅数
WITH begun AS (
    SELECT member_code, platform, CAST(date_trunc('month', borrowed_date) AS DATE) AS month, count(*) AS loans,
        count(DISTINCT coalesce(title_id, isbn, title)) AS titles, nullif(count(DISTINCT reader_key), 0) AS readers
    FROM memory.catalog.ebook_loan GROUP BY ALL
)
SELECT begun.member_code, begun.platform, month, loans, titles, shown(readers, readers) AS readers,
    count(active.loan_id) AS active_at_end
FROM begun LEFT JOIN catalog.ebook_loan AS active
    ON active.member_code = begun.member_code AND active.platform IS NOT DISTINCT FROM begun.platform
    AND active.borrowed_date <= last_day(month) AND active.expires_date >= last_day(month)
GROUP BY ALL ORDER BY begun.member_code, begun.platform, month

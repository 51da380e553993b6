-- What part of the members' requests is filled, and how fast?
-- 各成员馆的馆际互借与文献传递申请满足率如何？多久得到？
-- name Requests filled | 申请满足统计
-- column member_code: Member that asked | 申请馆代码
-- column year: Calendar year of submission | 提交年
-- column service: Copy, Loan or CopyOrLoan | 服务类型
-- column requests: Requests | 申请数
-- column filled: Filled requests | 满足数
-- column closed: Requests that ended: filled, unfilled or cancelled | 已结束数（满足、未满足、取消）
-- column cancelled: Requests that the member took back | 取消数
-- column fill_rate: filled / (closed - cancelled) | 满足率 = 满足数 /（已结束数 - 取消数）
-- column median_hours: Median of the calendar hours from submission to first supply | 中位周转时间（小时，提交至首次提供）
-- column p90_hours: 90th percentile of the same | 第 90 百分位周转时间（小时）
WITH asked AS (
    SELECT member_code, year(coalesce(submitted_date, CAST(submitted_at AS DATE))) AS year, service, outcome,
        epoch(supplied_at - submitted_at) / 3600 AS hours
    FROM catalog.request WHERE role = 'borrow'
)
SELECT member_code, year, service, count(*) AS requests, count(*) FILTER (outcome = 'filled') AS filled,
    count(*) FILTER (outcome <> 'open') AS closed, count(*) FILTER (outcome = 'cancelled') AS cancelled,
    count(*) FILTER (outcome = 'filled') / nullif(count(*) FILTER (outcome IN ('filled', 'unfilled')), 0) AS fill_rate,
    median(hours) FILTER (outcome = 'filled' AND hours >= 0) AS median_hours,
    quantile_cont(hours, 0.9) FILTER (outcome = 'filled' AND hours >= 0) AS p90_hours
FROM asked GROUP BY member_code, year, service ORDER BY member_code, year, service

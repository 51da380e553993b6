-- How often was each title lent in each month, and by how many members?
-- 每种书目每月借出多少次？由多少馆借出？
-- column month: First day of the month (UTC) | 月份（首日）
-- column bib_id: Union catalogue identifier; none where the item is not known | 联合目录书目号；单册无法对应时为空
-- column title: Title proper | 正题名
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter | 大类（一个字母）
-- column loans: Loans, renewals apart | 借出次数（不含续借）
-- column renewals: Renewals | 续借次数
-- column members: Members that lent it | 借出馆数
SELECT CAST(date_trunc('month', event_time) AS DATE) AS month, loan.bib_id,
    any_value(bib.title) AS title, any_value(scheme) AS scheme, any_value(class) AS class,
    count(*) FILTER (WHERE event_type = 'loan') AS loans,
    count(*) FILTER (WHERE event_type = 'renew') AS renewals,
    count(DISTINCT member_code) FILTER (WHERE event_type IN ('loan', 'renew')) AS members
FROM catalog.loan AS loan
LEFT JOIN catalog.bib AS bib USING (bib_id)
LEFT JOIN marts.bib_class USING (bib_id)
GROUP BY month, loan.bib_id
HAVING loans + renewals > 0
ORDER BY month, loan.bib_id

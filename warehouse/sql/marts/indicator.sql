-- What is each member's value of each indicator in each year?
-- 各成员馆每年各项指标的值是多少？
-- name Indicator | 指标值
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column indicator: borrowed_share, turnover, zero_share, reader_share, loans_per_student, fill_rate, lent_per_borrowed | 指标
-- column value: As its own mart has it; none where its denominator is | 指标值，公式见各专题表；分母不存在时为空
SELECT member_code, year, 'borrowed_share' AS indicator, borrowed_share AS value FROM marts.circulation
UNION ALL SELECT member_code, year, 'turnover', turnover FROM marts.circulation
UNION ALL SELECT member_code, year, 'zero_share', sum(unused_items) / nullif(sum(items), 0)
FROM marts.zero_circulation GROUP BY member_code, year
UNION ALL SELECT member_code, year, 'reader_share', reader_share FROM marts.per_capita WHERE reader_group = 'everyone'
UNION ALL SELECT member_code, year, 'loans_per_student', loans_per_fte FROM marts.per_capita
WHERE reader_group = 'students'
UNION ALL SELECT member_code, year, 'fill_rate', sum(filled) / nullif(sum(closed) - sum(cancelled), 0)
FROM marts.request_fill GROUP BY member_code, year
UNION ALL SELECT member_code, year, 'lent_per_borrowed', lent / nullif(borrowed, 0) FROM marts.lending_balance
ORDER BY member_code, year, indicator

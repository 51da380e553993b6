-- How do members of one kind compare: mean, median, mode and spread of each indicator?
-- 同类馆的指标分布如何：均值、中位数、众数、离散程度？
-- name Peers | 同类馆比较
-- column kind: Kind of member; ALL for all kinds | 成员馆类型，ALL 为全部
-- column year: Calendar year | 年
-- column indicator: Indicator (marts.indicator) | 指标
-- column valid_n: Members that have a value | 有效馆数
-- column mean: Arithmetic mean | 均值
-- column median: Median | 中位数
-- column mode: Most frequent value at two decimals; the smallest of several | 众数（取两位小数，并列时取最小）
-- column sd: Standard deviation of the sample; none for one value | 标准差（样本），仅一馆时为空
-- column minimum: Smallest value | 最小值
-- column maximum: Largest value | 最大值
-- column range: maximum - minimum | 极差 = 最大值 - 最小值
WITH valued AS (
    SELECT kind, year, indicator, value, round(value, 2) AS rounded
    FROM marts.indicator JOIN dim.member USING (member_code) WHERE value IS NOT NULL
),
frequent AS (
    SELECT coalesce(kind, 'ALL') AS kind, year, indicator, rounded AS mode
    FROM valued
    GROUP BY GROUPING SETS ((kind, year, indicator, rounded), (year, indicator, rounded))
    QUALIFY row_number() OVER (
        PARTITION BY coalesce(kind, 'ALL'), year, indicator ORDER BY count(*) DESC, rounded
    ) = 1
),
spread AS (
    SELECT coalesce(kind, 'ALL') AS kind, year, indicator, count(*) AS valid_n, fsum(value) / count(*) AS mean,
        median(value) AS median, stddev_samp(value) AS sd, min(value) AS minimum, max(value) AS maximum
    FROM valued
    GROUP BY GROUPING SETS ((kind, year, indicator), (year, indicator))
)
SELECT kind, year, indicator, valid_n, mean, median, mode, sd, minimum, maximum, maximum - minimum AS range
FROM spread JOIN frequent USING (kind, year, indicator)
ORDER BY kind, year, indicator

-- How much is each platform used by each member, by metric, each use counted once?
-- 各成员馆各平台各指标的使用量是多少（同一使用只计一次）？
-- name Electronic use | 电子资源使用统计
-- column member_code: Member library code | 成员馆代码
-- column platform: Platform | 平台
-- column year: Calendar year | 年
-- column month: First day of the month | 月份（首日）
-- column metric_type: COUNTER metric | 指标
-- column data_type: Data type, as Book or Journal; none where the report does not tell | 数据类型，报告未区分时为空
-- column report_id: The one report that was taken: of the newest release, and the first there is of PR, TR, DR, IR, then a view (PR_P1, TR_J3, TR_B3 …) | 所取报告：最新版本，依次取主报告 PR、TR、DR、IR，均无时取视图
-- column uses: Sum of its counts | 次数
-- Of reports that repeat each other one is taken for each member, platform, month and metric; a view stands in only
-- where there is no master report, and then one for books and one for journals, or for articles and for multimedia.
WITH priority AS (SELECT report_id, CAST(place AS INTEGER) AS place FROM seed('counter_reports')),
-- what two sources have of one report of one institution counts once
told AS (
    SELECT * FROM catalog.eusage
    QUALIFY source_id = min(source_id) OVER (
        PARTITION BY member_code, platform, month, metric_type, report_id, release, institution_id
    )
),
summed AS (
    SELECT member_code, platform, month, metric_type, data_type, release, report_id,
        coalesce(place, CASE WHEN is_view THEN 100 ELSE 50 END) AS place, CAST(sum(count) AS BIGINT) AS uses
    FROM told LEFT JOIN priority USING (report_id) GROUP BY ALL
),
-- one report for each member, platform, month and metric; of views one for each part that they tell of
chosen AS (
    SELECT member_code, platform, month, metric_type, report_id, release
    FROM (
        SELECT DISTINCT member_code, platform, month, metric_type, report_id, release, place,
            CASE left(report_id, 4) WHEN 'TR_B' THEN 'B' WHEN 'TR_J' THEN 'J' WHEN 'IR_M' THEN 'M' ELSE '' END AS part
        FROM summed
    )
    QUALIFY rank() OVER (PARTITION BY member_code, platform, month, metric_type ORDER BY release DESC, place // 10) = 1
        AND row_number() OVER (
            PARTITION BY member_code, platform, month, metric_type, part ORDER BY release DESC, place, report_id
        ) = 1
)
SELECT member_code, platform, year(month) AS year, month, metric_type, data_type, report_id, uses
FROM summed SEMI JOIN chosen USING (member_code, platform, month, metric_type, report_id, release)
ORDER BY member_code, platform, month, metric_type, data_type, report_id

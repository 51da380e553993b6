-- Which electronic titles are used most in each year?
-- 每年哪些电子书刊使用最多？
-- name Electronic use by title | 电子书刊使用排行
-- column year: Calendar year | 年
-- column bib_id: Union catalogue identifier; none where no bib has its identifiers | 联合目录书目号，无法对应时为空
-- column title: Title as the reports name it | 题名（报告原样）
-- column platform: Platform | 平台
-- column data_type: Data type, as Book or Journal | 数据类型
-- column members: Members with any request; those that were only turned away left out | 使用馆数（有请求者，仅被拒者不计）
-- column requests: Unique_Item_Requests of journals, Unique_Title_Requests of books, which compare between releases; else Total_Item_Requests | 请求数：期刊取 Unique_Item_Requests，图书取 Unique_Title_Requests，否则取 Total_Item_Requests
-- column no_license: No_License: turned away for want of a licence | 因无许可被拒次数
WITH priority AS (SELECT report_id, CAST(place AS INTEGER) AS place FROM seed('counter_reports')),
-- of TR and its views one for each member, platform, month, metric and kind of title
reported AS (
    SELECT eusage.*, coalesce(place, 99) AS place
    FROM catalog.eusage AS eusage LEFT JOIN priority USING (report_id)
    WHERE level = 'title'
        AND metric_type IN ('Unique_Item_Requests', 'Unique_Title_Requests', 'Total_Item_Requests', 'No_License')
    QUALIFY coalesce(place, 99) = min(coalesce(place, 99)) OVER (PARTITION BY member_code, platform, month, metric_type, data_type, release)
        AND release = max(release) OVER (PARTITION BY member_code, platform, month)
        -- what two sources have of one report of one institution counts once
        AND source_id = min(source_id) OVER (
            PARTITION BY member_code, platform, month, metric_type, data_type, release, report_id, institution_id
        )
),
titles AS (
    SELECT year(month) AS year, bib_id, title, platform, data_type, member_code,
        sum(count) FILTER (metric_type = 'Unique_Item_Requests') AS unique_items,
        sum(count) FILTER (metric_type = 'Unique_Title_Requests') AS unique_titles,
        sum(count) FILTER (metric_type = 'Total_Item_Requests') AS total_items,
        sum(count) FILTER (metric_type = 'No_License') AS no_license
    FROM reported GROUP BY ALL
)
SELECT year, bib_id, title, platform, data_type, count(DISTINCT member_code) FILTER (coalesce(unique_items, unique_titles, total_items) > 0) AS members,
    CAST(sum(CASE WHEN data_type IN ('Book', 'Reference_Work') THEN coalesce(unique_titles, total_items)
        ELSE coalesce(unique_items, total_items) END) AS BIGINT) AS requests,
    CAST(coalesce(sum(no_license), 0) AS BIGINT) AS no_license
FROM titles GROUP BY year, bib_id, title, platform, data_type
ORDER BY year, requests DESC NULLS LAST, title, platform, data_type, bib_id

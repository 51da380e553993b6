-- How much does each member use each electronic title in each year?
-- 各成员馆每年使用每种电子书刊多少次？
-- name Electronic use by member and title | 分馆电子书刊使用
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column platform: Platform | 平台
-- column data_type: Data type, as Book or Journal | 数据类型
-- column bib_id: Union catalogue identifier; none where no bib has its identifiers | 联合目录书目号，无法对应时为空
-- column title: Title as the reports name it | 题名（报告原样）
-- column isbn: ISBN | 国际标准书号
-- column print_issn: ISSN of the printed edition | 印刷版刊号
-- column online_issn: ISSN of the online edition | 电子版刊号
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
    SELECT member_code, year(month) AS year, platform, data_type, bib_id, title, max(isbn) AS isbn,
        max(print_issn) AS print_issn, max(online_issn) AS online_issn,
        sum(count) FILTER (metric_type = 'Unique_Item_Requests') AS unique_items,
        sum(count) FILTER (metric_type = 'Unique_Title_Requests') AS unique_titles,
        sum(count) FILTER (metric_type = 'Total_Item_Requests') AS total_items,
        sum(count) FILTER (metric_type = 'No_License') AS no_license
    FROM reported GROUP BY member_code, year(month), platform, data_type, bib_id, title
)
SELECT member_code, year, platform, data_type, bib_id, title, isbn, print_issn, online_issn,
    CAST(CASE WHEN data_type IN ('Book', 'Reference_Work') THEN coalesce(unique_titles, total_items)
        ELSE coalesce(unique_items, total_items) END AS BIGINT) AS requests,
    CAST(coalesce(no_license, 0) AS BIGINT) AS no_license
FROM titles ORDER BY member_code, year, platform, data_type, title, bib_id

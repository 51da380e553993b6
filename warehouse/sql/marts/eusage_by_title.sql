-- Which electronic titles are used most in each year?
-- 每年哪些电子书刊使用最多？
-- name Electronic use by title | 电子书刊使用排行
-- column year: Calendar year | 年
-- column bib_id: Union catalogue identifier; none where no bib has its identifiers | 联合目录书目号，无法对应时为空
-- column title: Title as the reports name it | 题名（报告原样）
-- column platform: Platform | 平台
-- column data_type: Data type, as Book or Journal | 数据类型
-- column members: Members with any request; those that were only turned away left out | 使用馆数（有请求者，仅被拒者不计）
-- column requests: Requests (marts.eusage_by_member_and_title) | 请求数
-- column no_license: No_License: turned away for want of a licence | 因无许可被拒次数
SELECT year, bib_id, title, platform, data_type, count(DISTINCT member_code) FILTER (requests > 0) AS members,
    CAST(sum(requests) AS BIGINT) AS requests, CAST(sum(no_license) AS BIGINT) AS no_license
FROM marts.eusage_by_member_and_title GROUP BY year, bib_id, title, platform, data_type
ORDER BY year, requests DESC NULLS LAST, title, platform, data_type, bib_id

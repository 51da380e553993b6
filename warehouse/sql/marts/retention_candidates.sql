-- Which printed titles do more members of a region hold than are needed, so that they could be kept together?
-- 哪些纸本书在同一地区多馆重复收藏而少用，可共同保存？
-- name Shared retention candidates | 共同保存候选
-- column region: Code of the regional centre; national where national centres serve the member | 地区中心代码，由全国中心直接服务的为 national
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column pub_year: Year of publication: 10 years or more before that of the newest loan | 出版年，须早于最近借阅年 10 年或以上
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column holders: Members of the region that hold it, three or more | 本地区收藏馆数，不少于 3
-- column items: Their items | 单册数
-- column loans: Loans at these members in the last two years known, at most one a holder | 最近两年借出次数，平均每馆不超过 1 次
-- column observed: Holders that report loans; without any, loans says nothing | 其中报送流通数据的馆数，为 0 时借出次数无意义
-- column e_available: Whether it is also to be had electronically (marts.e_available) | 是否另有电子版
-- column keep_at: Two holders that should keep it: most loans, then most items, then by code | 建议保存的两馆：借出多者先，次看单册数，再按代码
-- column surplus_items: Items beyond one at each of them | 超出保存数的单册数
WITH newest AS (SELECT coalesce(year(max(event_date)), 2020) AS year FROM catalog.loan),
recent AS (
    SELECT member_code, bib_id, count(*) AS loans FROM catalog.loan, newest
    WHERE event_type = 'loan' AND bib_id IS NOT NULL AND year(event_date) >= newest.year - 1 GROUP BY ALL
),
reporting AS (SELECT DISTINCT member_code FROM catalog.loan),
held AS (
    SELECT coalesce(regional_centre, 'national') AS region, bib_id, member_code, items, coalesce(loans, 0) AS loans,
        reporting.member_code IS NOT NULL AS observed
    FROM marts.bib_member
    JOIN dim.bib USING (bib_id)
    LEFT JOIN dim.member USING (member_code)
    LEFT JOIN recent USING (member_code, bib_id)
    LEFT JOIN reporting USING (member_code)
    WHERE coalesce(carrier, 'print') = 'print' AND pub_year <= (SELECT year - 10 FROM newest)
),
crowded AS (
    SELECT region, bib_id, count(*) AS holders, CAST(sum(items) AS BIGINT) AS items,
        CAST(sum(loans) AS BIGINT) AS loans, count(*) FILTER (observed) AS observed,
        list(member_code ORDER BY loans DESC, items DESC, member_code)[:2] AS keep_at,
        list(least(items, 1) ORDER BY loans DESC, items DESC, member_code)[:2] AS kept
    FROM held GROUP BY region, bib_id
    HAVING count(*) >= 3 AND sum(loans) <= count(*)
)
SELECT region, bib_id, title, pub_year, scheme, class, holders, items, loans, observed,
    bib_id IN (SELECT bib_id FROM marts.e_available) AS e_available, keep_at, CAST(items - list_sum(kept) AS BIGINT) AS surplus_items
FROM crowded JOIN dim.bib USING (bib_id)
ORDER BY region, bib_id

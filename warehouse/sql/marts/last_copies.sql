-- Which printed titles are held by one member only, in the union or in a region?
-- 哪些纸本书全联合目录或本地区只有一馆收藏？
-- name Last copies | 孤本
-- column scope: union, or the code of the regional centre within which it is the only holder (where others elsewhere hold it) | 范围：union 为全联合目录，否则为地区中心代码（他地区另有收藏）
-- column member_code: The only holder | 唯一收藏馆
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column pub_year: Year of publication | 出版年
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column items: Items of the member; 0 where it reports holdings without items | 该馆单册数，仅报馆藏而无单册时为 0
-- column last_copy: Whether there is one item at most | 是否仅存一册
WITH printed AS (
    SELECT bib_member.member_code, bib_id, items, regional_centre
    FROM marts.bib_member JOIN dim.bib USING (bib_id) LEFT JOIN dim.member USING (member_code)
    WHERE coalesce(carrier, 'print') = 'print'
),
counted AS (
    SELECT *, count(*) OVER (PARTITION BY bib_id) AS holders,
        count(*) OVER (PARTITION BY bib_id, regional_centre) AS regional_holders
    FROM printed
)
SELECT CASE WHEN holders = 1 THEN 'union' ELSE regional_centre END AS scope, member_code, bib_id, title, pub_year,
    scheme, class, items, items <= 1 AS last_copy
FROM counted JOIN dim.bib USING (bib_id)
WHERE holders = 1 OR (regional_holders = 1 AND regional_centre IS NOT NULL)
ORDER BY scope, member_code, bib_id

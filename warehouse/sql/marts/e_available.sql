-- Which printed titles that members hold are also to be had electronically, and how do we know?
-- 哪些馆藏纸本另有电子版？依据是什么？
-- name Electronic for print held | 纸本另有电子版
-- column bib_id: Bib of the printed title | 纸本书目号
-- column title: Title proper | 正题名
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column holders: Members that hold it in print | 纸本收藏馆数
-- column evidence: Strongest evidence: identifier (776 or 452 names it), list (a KBART list has its ISBN or ISSN), match (all but the carrier agrees) | 最强依据：identifier 记录中注明，list 题名清单含其书号或刊号，match 除载体外均相符
-- column electronic_bib_id: Bib of the electronic title, where there is one | 电子版书目号（有时）
-- column package: A package that has it, where a list says so | 所属资源包（有清单时）
-- column access_members: Members whose lists have it, or that hold the electronic bib | 有电子版的馆
-- column open: Whether a list says that it is free | 清单是否注明免费
WITH printed AS (
    SELECT bib_id, count(*) AS holders FROM marts.bib_member JOIN dim.bib USING (bib_id)
    WHERE coalesce(carrier, 'print') = 'print' GROUP BY bib_id
),
linked AS (
    SELECT link.bib_id, other_bib_id AS electronic_bib_id, evidence, member_code
    FROM catalog.link AS link JOIN dim.bib AS other ON other.bib_id = other_bib_id AND other.carrier = 'electronic'
    LEFT JOIN marts.bib_member AS held ON held.bib_id = other_bib_id
    WHERE relation = 'carrier'
),
numbers AS (
    SELECT bib_id, unnest(list_concat(coalesce(isbn, []), coalesce(issn, []))) AS number
    FROM catalog.bib SEMI JOIN printed USING (bib_id)
),
offered AS (
    SELECT member_code, package, access_type, unnest(list_distinct([isbn, online_isbn, issn, online_issn])) AS number
    FROM catalog.title_list WHERE carrier = 'electronic'
),
found AS (
    SELECT bib_id, electronic_bib_id, NULL AS package, member_code, NULL AS access_type, evidence,
        CASE evidence WHEN 'identifier' THEN 1 ELSE 3 END AS strength
    FROM linked
    UNION ALL
    SELECT DISTINCT bib_id, NULL, package, member_code, access_type, 'list', 2
    FROM numbers JOIN offered USING (number)
)
SELECT bib_id, title, scheme, class, holders, arg_min(evidence, strength) AS evidence,
    min(electronic_bib_id) AS electronic_bib_id, min(package) AS package,
    list_sort(list(DISTINCT member_code) FILTER (member_code IS NOT NULL)) AS access_members,
    coalesce(bool_or(access_type = 'F'), false) AS open
FROM found JOIN printed USING (bib_id) JOIN dim.bib USING (bib_id)
GROUP BY bib_id, title, scheme, class, holders
ORDER BY bib_id

-- Which main class does a bib belong to: of the CLC, or of the LCC where it has no CLC number?
-- 每种书目属于哪个大类？有中图分类号的按中图法，否则按美国国会图书馆分类法。
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter; - where there is none | 大类（一个字母），未分类为 -
WITH letters AS (
    SELECT bib_id,
        upper(left(ltrim(clc[1], '[ '), 1)) AS clc_letter,
        upper(left(ltrim(lcc[1], '[ '), 1)) AS lcc_letter
    FROM catalog.bib
)
SELECT bib_id,
    coalesce(clc.scheme, lcc.scheme, 'none') AS scheme,
    coalesce(clc.class, lcc.class, '-') AS class
FROM letters
LEFT JOIN marts.class_name AS clc ON clc.scheme = 'CLC' AND clc.class = clc_letter
LEFT JOIN marts.class_name AS lcc ON lcc.scheme = 'LCC' AND lcc.class = lcc_letter
ORDER BY bib_id

-- What is each bib, in a few words, and in which class is it: of the CLC, or of the LCC where it has no CLC number?
-- 每种书目的简要信息及其分类：有中图分类号的按中图法，否则按美国国会图书馆分类法？
-- name Bib in brief | 书目简表
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column creator: First person or body responsible | 第一责任者
-- column publisher: Publisher | 出版者
-- column pub_year: Year of publication | 出版年
-- column isbn: First ISBN | 第一个国际标准书号
-- column lang: Language code | 语种
-- column kind: book, serial, article, thesis and so on | 文献类型
-- column carrier: print, electronic, microform, braille or other | 载体
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter; - where there is none | 大类（一个字母），未分类为 -
-- column subclass: Class of the second level (CLC); the main class where there is none | 二级类（中图法），没有时同大类
-- column class_number: Class number as it decides the class | 分类号
WITH numbered AS (
    SELECT *, upper(trim(clc[1], '[] ')) AS clc_number, upper(trim(lcc[1], '[] ')) AS lcc_number FROM catalog.bib
),
classed AS (
    SELECT numbered.*, coalesce(clc.scheme, lcc.scheme, 'none') AS scheme, coalesce(clc.class, lcc.class, '-') AS class,
        CASE WHEN clc.class IS NOT NULL THEN clc_number WHEN lcc.class IS NOT NULL THEN lcc_number END AS class_number
    FROM numbered
    LEFT JOIN dim.class AS clc ON clc.scheme = 'CLC' AND clc.level = 1 AND clc.class = left(clc_number, 1)
    LEFT JOIN dim.class AS lcc ON lcc.scheme = 'LCC' AND lcc.level = 1 AND lcc.class = left(lcc_number, 1)
)
SELECT bib_id, title, creators[1] AS creator, publisher, pub_year, isbn[1] AS isbn, lang, kind, carrier,
    classed.scheme, classed.class, coalesce(third.class, second.class, classed.class) AS subclass, class_number
FROM classed
LEFT JOIN dim.class AS third
    ON third.scheme = classed.scheme AND third.level = 2 AND third.class = left(class_number, 3)
LEFT JOIN dim.class AS second
    ON second.scheme = classed.scheme AND second.level = 2 AND second.class = left(class_number, 2)
ORDER BY bib_id

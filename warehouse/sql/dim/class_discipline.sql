-- To which disciplines does a class belong, and with what weight?
-- 各分类属于哪些学科门类？权重多少？
-- name Class by discipline | 分类学科对照
-- column scheme: Classification: CLC or LCC | 分类法：CLC 中图法，LCC 美国国会图书馆分类法
-- column prefix: Beginning of the class number; the longest that fits counts | 类号前缀，取最长者
-- column discipline: Code of the discipline | 学科门类代码
-- column weight: Part of the class that belongs to it; 1 over all disciplines of a prefix | 归入该学科的权重，同一前缀合计为 1
SELECT scheme, prefix, discipline, CAST(weight AS DOUBLE) AS weight
FROM seed('class_disciplines')
ORDER BY scheme, prefix, discipline

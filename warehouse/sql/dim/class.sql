-- Which classes are there, how do they stand under each other, and what are they called?
-- 有哪些分类？上下级关系如何？各叫什么？
-- name Class | 分类表
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Class mark: a main class (one letter), of the CLC also its second level; - for not classified | 类号：大类（一个字母），中图法另有二级类；未分类为 -
-- column level: 1 main class, 2 second level | 级别：1 大类，2 二级类
-- column parent: Main class that it belongs to; none for a main class | 所属大类，大类本身为空
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
SELECT scheme, class, CAST(level AS INTEGER) AS level, parent, name_zh, name_en
FROM seed('classes')
ORDER BY scheme, class

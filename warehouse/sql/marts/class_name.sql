-- Which classes are there, and what are they called?
-- 有哪些分类大类？各叫什么？
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter | 大类（一个字母）
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
SELECT * FROM read_csv(getvariable('sql_folder') || '/class_names.csv', header = true, all_varchar = true)
ORDER BY scheme, class

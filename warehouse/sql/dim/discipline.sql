-- Into which disciplines of degrees is learning divided?
-- 学科门类有哪些？
-- name Discipline | 学科门类表
-- column discipline: Code of the discipline (two digits) | 学科门类代码（两位）
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
SELECT * FROM seed('disciplines') ORDER BY discipline

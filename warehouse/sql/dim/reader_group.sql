-- Into which groups are readers put?
-- 读者分为哪些群体？
-- name Reader group | 读者群体表
-- column reader_group: Group, as facts have it | 读者群体
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column student: Whether they are students | 是否学生
SELECT reader_group, name_zh, name_en, student = 'true' AS student FROM seed('reader_groups') ORDER BY reader_group

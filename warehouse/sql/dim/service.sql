-- Which services do readers and members get from each other?
-- 有哪些服务？
-- name Service | 服务表
-- column service: Code, as facts have it | 服务代码
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column fact: Table with its facts | 事实表
SELECT * FROM seed('services') ORDER BY service

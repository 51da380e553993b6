-- Who are the members, as of their newest period, and where do they belong?
-- 有哪些成员馆（以最近时期为准）？各属何地何中心？
-- name Member today | 现有成员馆
-- column member_code: Member library code | 成员馆代码
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column moe_code: Code of the institution at the Ministry of Education | 教育部学校标识码
-- column kind: undergraduate, vocational, research, public or other | 类型
-- column province: Province (GB/T 2260, two digits) | 省份代码
-- column province_zh: Name of the province in Chinese | 省份中文名称
-- column province_en: Name of the province in English | 省份英文名称
-- column regional_centre: Code of its regional centre; none where national centres serve it | 地区中心代码，由全国中心直接服务的为空
-- column member_since: First day of its first period | 最早生效日期
-- column member_until: Last day of its newest period; 9999-12-31 while it lasts | 最近失效日期，现行为 9999-12-31
SELECT member_code,
    arg_max(name_zh, valid_from) AS name_zh, arg_max(name_en, valid_from) AS name_en,
    arg_max(moe_code, valid_from) AS moe_code, arg_max(kind, valid_from) AS kind,
    arg_max(province, valid_from) AS province, arg_max(province_zh, valid_from) AS province_zh,
    arg_max(province_en, valid_from) AS province_en,
    arg_max_null(regional_centre, valid_from) AS regional_centre,
    min(valid_from) AS member_since, arg_max(valid_to, valid_from) AS member_until
FROM dim.member_period
GROUP BY member_code
ORDER BY member_code

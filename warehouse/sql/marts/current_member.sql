-- Who are the members today?
-- 现有哪些成员馆？
-- column member_code: Member library code | 成员馆代码
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column kind: undergraduate, vocational, research, public or other | 类型
-- column province: Province (GB/T 2260, two digits) | 省份代码
-- column regional_centre: Regional centre it belongs to | 地区中心
SELECT member_code, arg_max(name_zh, valid_from) AS name_zh, arg_max(name_en, valid_from) AS name_en,
    arg_max(kind, valid_from) AS kind, arg_max(province, valid_from) AS province,
    arg_max(regional_centre, valid_from) AS regional_centre
FROM catalog.member
GROUP BY member_code
ORDER BY member_code

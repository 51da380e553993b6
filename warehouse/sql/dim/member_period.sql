-- Who were the members, period by period, and where did each belong?
-- 各成员馆历史沿革：各时期的名称、类型、省份及所属中心是什么？
-- name Member history | 成员馆沿革
-- column member_code: Member library code | 成员馆代码
-- column valid_from: First day of the period | 生效日期
-- column valid_to: Last day of the period; 9999-12-31 while it lasts | 失效日期，现行为 9999-12-31
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column moe_code: Code of the institution at the Ministry of Education | 教育部学校标识码
-- column kind: undergraduate, vocational, research, public or other | 类型
-- column province: Province (GB/T 2260, two digits) | 省份代码
-- column province_zh: Name of the province in Chinese | 省份中文名称
-- column province_en: Name of the province in English | 省份英文名称
-- column regional_centre: Regional centre: the one that the registry names, else that of the province; none where national centres serve it | 地区中心：以登记为准，否则按省份；由全国中心直接服务的为空
SELECT member.member_code, valid_from, coalesce(valid_to, DATE '9999-12-31') AS valid_to,
    member.name_zh, member.name_en, moe_code, kind, member.province,
    province.name_zh AS province_zh, province.name_en AS province_en,
    coalesce(centre.centre_code, member.regional_centre, province.regional_centre) AS regional_centre
FROM catalog.member AS member
LEFT JOIN seed('provinces') AS province ON province.province = member.province
LEFT JOIN seed('centres') AS centre
    ON centre.level = 'regional' AND member.regional_centre IN (centre.centre_code, centre.name_zh, centre.name_en)
ORDER BY member.member_code, valid_from

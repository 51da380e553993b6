-- Which centres and domains are there?
-- 有哪些全国、地区、省级中心及协作领域？
-- name Centre | 中心
-- column centre_code: Code of the centre | 中心代码
-- column level: national, regional, provincial, or domain (named in the registry only) | 级别：全国、地区、省级，或登记中另列的领域
-- column name_zh: Name in Chinese | 中文名称
-- column name_en: Name in English | 英文名称
-- column host_zh: Library where it sits | 依托单位
-- column province: Province (GB/T 2260, two digits) | 省份代码
SELECT * FROM seed('centres')
UNION ALL
SELECT DISTINCT code, 'domain', code, code, NULL, NULL
FROM (
    SELECT unnest(centres) AS code FROM catalog.member
    UNION SELECT regional_centre FROM dim.member WHERE regional_centre IS NOT NULL
)
WHERE code NOT IN (SELECT centre_code FROM seed('centres'))
ORDER BY level, centre_code

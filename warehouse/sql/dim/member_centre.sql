-- To which centres and domains does each member belong, and since when?
-- 各成员馆属于哪些中心与领域？何时起？
-- name Member by centre | 成员馆所属中心
-- column member_code: Member library code | 成员馆代码
-- column centre_code: Code of the centre or domain | 中心或领域代码
-- column level: national, regional, provincial or domain | 级别：全国、地区、省级或领域
-- column valid_from: First day | 生效日期
-- column valid_to: Last day; 9999-12-31 while it lasts | 失效日期，现行为 9999-12-31
-- column today: Whether it belongs there today, as the registry's newest row of the member says | 现在是否属于
WITH placed AS (
    SELECT member_code, valid_from, valid_to, regional_centre AS centre_code
    FROM dim.member_period WHERE regional_centre IS NOT NULL
    UNION
    SELECT member_code, valid_from, valid_to, 'province-' || province FROM dim.member_period
    UNION
    SELECT member_code, valid_from, coalesce(valid_to, DATE '9999-12-31'), unnest(centres) FROM catalog.member
)
SELECT member_code, centre_code, level, placed.valid_from, valid_to,
    placed.valid_from = max(period.valid_from) OVER (PARTITION BY member_code) AS today
FROM placed JOIN dim.centre USING (centre_code)
JOIN (SELECT member_code, max(valid_from) AS valid_from FROM dim.member_period GROUP BY ALL) AS period
    USING (member_code)
ORDER BY member_code, level, centre_code, placed.valid_from

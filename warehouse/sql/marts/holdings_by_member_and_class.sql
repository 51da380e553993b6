-- What does each member hold in each main class?
-- 各成员馆在各大类中收藏多少？
-- name Holdings by member and class | 分类馆藏统计
-- column member_code: Member library code | 成员馆代码
-- column member_name: Name of the member in Chinese | 成员馆中文名称
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter; - where there is none | 大类（一个字母），未分类为 -
-- column class_name_zh: Name of the class in Chinese | 大类中文名称
-- column class_name_en: Name of the class in English | 大类英文名称
-- column bibs: Bibs held | 收藏种数
-- column unique_bibs: Bibs that no other member holds | 独有种数
-- column holdings: Holding statements | 馆藏数
-- column items: Items | 单册数
SELECT held.member_code, any_value(member.name_zh) AS member_name,
    scheme, class, any_value(class.name_zh) AS class_name_zh, any_value(class.name_en) AS class_name_en,
    count(*) AS bibs,
    count(*) FILTER (WHERE holders = 1) AS unique_bibs,
    CAST(sum(holdings) AS BIGINT) AS holdings,
    CAST(sum(items) AS BIGINT) AS items
FROM (SELECT *, count(*) OVER (PARTITION BY bib_id) AS holders FROM marts.bib_member) AS held
JOIN dim.bib USING (bib_id)
JOIN dim.class USING (scheme, class)
LEFT JOIN dim.member AS member ON member.member_code = held.member_code
GROUP BY held.member_code, scheme, class
ORDER BY held.member_code, scheme, class

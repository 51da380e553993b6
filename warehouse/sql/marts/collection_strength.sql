-- In which classes is a member's collection strong, compared with the union?
-- 各成员馆的馆藏强项在哪些类？
-- name Collection strength | 馆藏强度
-- column member_code: Member library code | 成员馆代码
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column subclass: Class of the second level (CLC); else the main class | 二级类（中图法），没有时同大类
-- column bibs: Bibs held | 收藏种数
-- column share: bibs / all bibs of the member | 占该馆收藏的比例
-- column coverage: bibs / all bibs of the class in the union | 对联合目录该类的覆盖率
-- column strength: share / the class's part of the union's holdings; above 1 the member collects it more than others | 相对强度 = 该馆占比 / 全体馆藏中该类占比，大于 1 为相对强项
-- column unique_bibs: Bibs that no other member holds | 独有种数
-- column recent_share: Part of the member's bibs of the class published in the last 10 years known in the union | 近十年出版的比例
WITH newest AS (SELECT max(pub_year) AS year FROM dim.bib),
held AS (
    SELECT member_code, bib_id, count(*) OVER (PARTITION BY bib_id) AS holders FROM marts.bib_member
),
member_class AS (
    SELECT member_code, scheme, class, subclass, count(*) AS bibs, count(*) FILTER (holders = 1) AS unique_bibs,
        count(*) FILTER (pub_year > (SELECT year - 10 FROM newest)) AS recent
    FROM held JOIN dim.bib USING (bib_id) GROUP BY ALL
),
union_class AS (SELECT scheme, subclass, count(*) AS bibs FROM dim.bib GROUP BY ALL)
SELECT member_code, member_class.scheme, class, member_class.subclass, member_class.bibs,
    member_class.bibs / sum(member_class.bibs) OVER (PARTITION BY member_code) AS share,
    member_class.bibs / union_class.bibs AS coverage,
    (member_class.bibs / sum(member_class.bibs) OVER (PARTITION BY member_code))
        / (sum(member_class.bibs) OVER (PARTITION BY member_class.scheme, member_class.subclass)
            / sum(member_class.bibs) OVER ()) AS strength,
    unique_bibs, recent / member_class.bibs AS recent_share
FROM member_class
JOIN union_class ON union_class.scheme = member_class.scheme AND union_class.subclass = member_class.subclass
ORDER BY member_code, member_class.scheme, member_class.subclass

-- Which disciplines do the members' collections serve, and how much are these used?
-- 各成员馆馆藏服务哪些学科？使用如何？
-- name Strength by discipline | 学科馆藏强度
-- column member_code: Member library code; ALL for the union | 成员馆代码，ALL 为联合目录
-- column discipline: Code of the discipline | 学科门类代码
-- column discipline_zh: Name in Chinese | 学科门类中文名称
-- column discipline_en: Name in English | 学科门类英文名称
-- column bibs: Bibs held, each by the weight of its class (dim.bib_discipline) | 收藏种数，按类号权重折算
-- column share: bibs / all classed bibs of the member | 占该馆已分类收藏的比例
-- column loans: Loans of these bibs by the same weights; none where the member reports no loans | 借出次数，按同样权重折算；不报送流通数据的馆为空
-- column loans_per_bib: loans / bibs | 种均借出 = 借出次数 / 种数
WITH lent AS (
    SELECT member_code, bib_id, count(*) AS loans FROM catalog.loan
    WHERE event_type = 'loan' AND bib_id IS NOT NULL GROUP BY ALL
),
held AS (
    SELECT member_code, bib_id, loans,
        member_code IN (SELECT member_code FROM lent) AS reporting
    FROM marts.bib_member LEFT JOIN lent USING (member_code, bib_id)
),
summed AS (
    SELECT member_code, discipline, sum(weight) AS bibs,
        CASE WHEN bool_or(reporting) THEN coalesce(sum(weight * loans), 0) END AS loans
    FROM held JOIN dim.bib_discipline USING (bib_id) GROUP BY member_code, discipline
    UNION ALL
    SELECT 'ALL', discipline, sum(weight), CASE WHEN EXISTS (FROM lent) THEN coalesce(sum(weight * loans), 0) END
    FROM dim.bib_discipline
    LEFT JOIN (SELECT bib_id, sum(loans) AS loans FROM lent GROUP BY bib_id) USING (bib_id) GROUP BY discipline
)
SELECT member_code, discipline, name_zh AS discipline_zh, name_en AS discipline_en, round(bibs, 6) AS bibs,
    round(bibs / sum(bibs) OVER (PARTITION BY member_code), 9) AS share, CAST(round(loans, 6) AS DOUBLE) AS loans,
    round(loans / bibs, 9) AS loans_per_bib
FROM summed JOIN dim.discipline USING (discipline)
ORDER BY member_code, discipline

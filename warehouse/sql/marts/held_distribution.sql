-- How many bibs are held by one member, by two, by three …?
-- 由一馆、两馆、三馆……收藏的书目各有多少？
-- name Bibs by number of holders | 收藏馆数分布
-- column members: Number of members that hold the bib | 收藏馆数
-- column bibs: Bibs held by so many | 书目种数
-- column share: Part of all bibs, 0 to 1 | 占全部书目的比例（0 至 1）
WITH held AS (
    SELECT bib_id, count(member_code) AS members
    FROM catalog.bib LEFT JOIN marts.bib_member USING (bib_id) GROUP BY bib_id
)
SELECT members, count(*) AS bibs, count(*) / sum(count(*)) OVER () AS share
FROM held
GROUP BY members
ORDER BY members

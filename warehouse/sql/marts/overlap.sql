-- How much of its holdings does each member share with each other member?
-- 任两成员馆之间有多少相同的收藏？
-- name Overlap | 馆藏重复
-- column member_code: Member library code | 成员馆代码
-- column other_member_code: The member it is compared with | 对照成员馆代码
-- column bibs: Bibs that the member holds | 该馆收藏种数
-- column shared_bibs: Bibs that both hold | 两馆共有种数
-- column share: Shared bibs as a part of the member's bibs, 0 to 1 | 共有种数占该馆收藏的比例（0 至 1）
WITH total AS (SELECT member_code, count(*) AS bibs FROM marts.bib_member GROUP BY member_code),
shared AS (
    SELECT one.member_code, other.member_code AS other_member_code, count(*) AS shared_bibs
    FROM marts.bib_member AS one
    JOIN marts.bib_member AS other ON one.bib_id = other.bib_id AND one.member_code <> other.member_code
    GROUP BY ALL
)
SELECT member_code, other_member_code, bibs, shared_bibs, shared_bibs / bibs AS share
FROM shared JOIN total USING (member_code)
ORDER BY member_code, other_member_code

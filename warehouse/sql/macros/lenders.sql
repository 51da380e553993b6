-- Which members could supply a bib to a member, best first, and why?
-- 某馆需要某书时，哪些馆可以提供？按评分排序，并列出各项得分？
-- name Lenders | 可提供馆
-- column rank: Place by score, 1 first; equal scores by code | 名次，得分相同按代码
-- column member_code: Member that holds it | 收藏馆代码
-- column name_zh: Its name in Chinese | 中文名称
-- column score: 0.2 holding + 0.3 fill + 0.2 speed + 0.15 load + 0.15 region, 0 to 1 | 总分 = 0.2 馆藏 + 0.3 满足 + 0.2 速度 + 0.15 负担 + 0.15 地区（0 至 1）
-- column holding_part: 1 with a loanable item, 0.5 where no items are reported, 0 where none may be lent | 馆藏分：有可外借单册 1，未报单册 0.5，均不外借 0
-- column fill_part: How often it fills what it is asked (marts.lender) | 满足分
-- column speed_part: How fast (marts.lender) | 速度分
-- column load_part: How little it lends beyond what it borrows (marts.lender) | 负担分
-- column region_part: 1 in the province of the asking member, 0.7 in its region, else 0.3; 0.3 for all where no one asks | 地区分：同省 1，同地区 0.7，其他 0.3；未指明申请馆均为 0.3
-- column items: Items of the bib | 单册数
-- column loanable_items: Those of them that may be lent; not stated counts as loanable | 可外借单册数，未注明视为可借
CREATE MACRO marts.lenders(bib, requester) AS TABLE
WITH wanted AS (
    SELECT coalesce(any_value(living_bib_id), any_value(bib)) AS bib_id FROM catalog.redirect WHERE bib_id = bib
),
asking AS (
    SELECT any_value(province) AS province, any_value(regional_centre) AS region
    FROM dim.member WHERE member_code = requester
),
stock AS (
    SELECT member_code, count(*) FILTER (loanable) AS loanable_items, count(*) AS items
    FROM marts.item_use WHERE bib_id = (SELECT bib_id FROM wanted) GROUP BY member_code
),
parts AS (
    SELECT held.member_code, member.name_zh, fill_part, speed_part, load_part,
        CASE WHEN stock.items IS NULL AND held.items = 0 THEN 0.5
            WHEN coalesce(loanable_items, held.items) > 0 THEN 1 ELSE 0 END AS holding_part,
        CASE WHEN member.province = asking.province THEN 1
            WHEN member.regional_centre = asking.region THEN 0.7 ELSE 0.3 END AS region_part,
        held.items, coalesce(loanable_items, held.items) AS loanable_items
    FROM marts.bib_member AS held
    JOIN wanted USING (bib_id)
    JOIN dim.member AS member ON member.member_code = held.member_code
    JOIN marts.lender AS lender ON lender.member_code = held.member_code
    LEFT JOIN stock ON stock.member_code = held.member_code
    CROSS JOIN asking
    WHERE held.member_code IS DISTINCT FROM requester
),
scored AS (
    SELECT *, 0.2 * holding_part + 0.3 * fill_part + 0.2 * speed_part + 0.15 * load_part + 0.15 * region_part AS score
    FROM parts
)
SELECT row_number() OVER (ORDER BY score DESC, member_code) AS rank, member_code, name_zh,
    CAST(score AS DOUBLE) AS score, CAST(holding_part AS DOUBLE) AS holding_part, fill_part, speed_part, load_part,
    CAST(region_part AS DOUBLE) AS region_part, items, loanable_items
FROM scored ORDER BY rank

-- Which members could supply a bib to a member, best first, and why?
-- 某馆需要某书时，哪些馆可以提供？按评分排序，并列出各项得分？
-- name Lenders | 可提供馆
-- column rank: Place, 1 first: those that may lend before those that may not, then by score, then by code | 名次：可外借者在前，再按总分，再按代码
-- column member_code: Member that holds it; neither the asking one nor one that has left | 收藏馆代码，不含申请馆本身及已退出的馆
-- column name_zh: Its name in Chinese | 中文名称
-- column way: loan (has a loanable item), ask (reports holdings without items), copy (none of its items may be lent, or all were withdrawn), electronic (its licence decides) | 方式：loan 有可外借单册，ask 仅报馆藏未报单册，copy 单册均不外借或已剔除（只能复制），electronic 电子资源（依许可而定）
-- column score: 0.2 holding + 0.3 fill + 0.2 speed + 0.15 load + 0.15 region, 0 to 1 | 总分 = 0.2 馆藏 + 0.3 满足 + 0.2 速度 + 0.15 负担 + 0.15 地区（0 至 1）
-- column holding_part: 1 to lend, 0.5 to ask, 0 where it can only copy or is electronic | 馆藏分：可外借 1，未报单册 0.5，只能复制或为电子资源 0
-- column fill_part: How often it fills what it is asked (marts.lender) | 满足分
-- column speed_part: How fast (marts.lender) | 速度分
-- column load_part: How little it lends beyond what it borrows (marts.lender) | 负担分
-- column region_part: 1 in the province of the asking member, 0.7 in its region, else 0.3; 0.3 for all where no one asks | 地区分：同省 1，同地区 0.7，其他 0.3；未指明申请馆均为 0.3
-- column items: Items of the bib | 单册数
-- column loanable_items: Those of them that may be lent and are still in the stock; not stated counts as loanable | 在藏可外借单册数，未注明视为可借
-- A bib that nobody holds has no rows; an id that no bib ever had, or a code that no member has, is an error.
CREATE MACRO marts.lenders(bib, requester) AS TABLE
WITH wanted AS (
    SELECT CASE WHEN count(*) = 0 AND NOT EXISTS (SELECT 1 FROM catalog.bib WHERE bib_id = bib)
        THEN error('no bib was ever called ' || coalesce('''' || bib || '''', 'null') || '; ids stand in catalog.bib')
        WHEN count(*) = 0 THEN bib ELSE any_value(living_bib_id) END AS bib_id
    FROM catalog.redirect WHERE bib_id = bib
),
asking AS (
    SELECT any_value(province) AS province, any_value(regional_centre) AS region,
        CASE WHEN requester IS NOT NULL AND count(*) = 0
            THEN error('no member has the code ''' || requester || '''; codes stand in dim.member') END AS fault
    FROM dim.member WHERE member_code = requester
),
stock AS (
    SELECT member_code, count(*) FILTER (loanable AND in_stock_to IS NULL) AS loanable_items
    FROM marts.item_use WHERE bib_id = (SELECT bib_id FROM wanted) GROUP BY member_code
),
found AS (
    SELECT held.member_code, member.name_zh, fill_part, speed_part, load_part, held.items,
        coalesce(stock.loanable_items, held.items) AS loanable_items,
        CASE WHEN bib.carrier = 'electronic' THEN 'electronic'
            WHEN stock.loanable_items IS NULL AND held.items = 0 THEN 'ask'
            WHEN coalesce(stock.loanable_items, held.items) > 0 THEN 'loan' ELSE 'copy' END AS way,
        CASE WHEN member.province = asking.province THEN 1
            WHEN member.regional_centre = asking.region THEN 0.7 ELSE 0.3 END AS region_part
    FROM marts.bib_member AS held
    JOIN wanted USING (bib_id)
    JOIN dim.bib AS bib USING (bib_id)
    JOIN dim.member AS member ON member.member_code = held.member_code AND member_until >= current_date
    JOIN marts.lender AS lender ON lender.member_code = held.member_code
    LEFT JOIN stock ON stock.member_code = held.member_code
    JOIN asking ON fault IS NULL
    WHERE held.member_code IS DISTINCT FROM requester
),
parts AS (SELECT *, CASE way WHEN 'loan' THEN 1 WHEN 'ask' THEN 0.5 ELSE 0 END AS holding_part FROM found),
scored AS (
    SELECT *, 0.2 * holding_part + 0.3 * fill_part + 0.2 * speed_part + 0.15 * load_part + 0.15 * region_part AS score
    FROM parts
)
SELECT row_number() OVER (ORDER BY holding_part > 0 DESC, score DESC, member_code) AS rank, member_code, name_zh, way,
    CAST(score AS DOUBLE) AS score, CAST(holding_part AS DOUBLE) AS holding_part, fill_part, speed_part, load_part,
    CAST(region_part AS DOUBLE) AS region_part, items, loanable_items
FROM scored ORDER BY rank

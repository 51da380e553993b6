-- What part of the stock was not lent at all in a year, new items apart?
-- 全年零借阅的单册占多少？新入藏单册另计？
-- name Zero circulation | 零借阅
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year that the member's events cover, from February at the latest to December | 年：该馆流通数据至迟自二月起、至十二月止均有
-- column scheme: Classification: CLC, LCC, or none | 分类法
-- column class: Main class | 大类
-- column items: Loanable items with a barcode in the stock all year, at least 12 months old at its end | 可外借旧藏单册数：有条码，全年在藏，且年末入藏满 12 个月
-- column unused_items: Those of them with no loan in the year | 旧藏中全年无借出的单册数
-- column zero_share: Zero circulation (零借阅率): unused_items / items | 零借阅率 = 旧藏中全年无借出的单册数 / 旧藏单册数
-- column new_items: Loanable items younger than 12 months at the end of the year, or added during it | 可外借新藏单册数：年末入藏不满 12 个月
-- column new_unused_items: Those of them with no loan in the year | 新藏中全年无借出的单册数
WITH reported AS (SELECT member_code, min(event_date) AS first, max(event_date) AS last FROM catalog.loan GROUP BY ALL),
years AS (
    SELECT DISTINCT member_code, year(event_date) AS year, make_date(year(event_date), 1, 1) AS first,
        make_date(year(event_date), 12, 1) AS last
    FROM catalog.loan JOIN reported USING (member_code)
    WHERE event_type = 'loan' AND reported.first < make_date(year(event_date), 3, 1)
        AND reported.last >= make_date(year(event_date), 12, 1)
),
lent AS (
    SELECT DISTINCT member_code, barcode, year(event_date) AS year FROM catalog.loan WHERE event_type = 'loan'
),
judged AS (
    SELECT item_use.member_code, years.year, item_use.bib_id, lent.barcode IS NULL AS unused, count(*) AS items,
        -- an item that a month's snapshot shows first may have been there on its first day
        coalesce(in_stock_from > years.first OR accession_date = years.first, false) AS is_new
    FROM marts.item_use
    JOIN years ON years.member_code = item_use.member_code
        AND coalesce(in_stock_from, years.first) < years.last + INTERVAL 1 MONTH
        AND coalesce(in_stock_to, years.last) >= years.last
    LEFT JOIN lent
        ON lent.member_code = item_use.member_code AND lent.barcode = item_use.barcode AND lent.year = years.year
    WHERE loanable AND item_use.barcode IS NOT NULL GROUP BY ALL
)
SELECT member_code, year, coalesce(scheme, 'none') AS scheme, coalesce(class, '-') AS class,
    CAST(coalesce(sum(items) FILTER (NOT is_new), 0) AS BIGINT) AS items,
    CAST(coalesce(sum(items) FILTER (NOT is_new AND unused), 0) AS BIGINT) AS unused_items,
    coalesce(sum(items) FILTER (NOT is_new AND unused), 0) / sum(items) FILTER (NOT is_new) AS zero_share,
    CAST(coalesce(sum(items) FILTER (is_new), 0) AS BIGINT) AS new_items,
    CAST(coalesce(sum(items) FILTER (is_new AND unused), 0) AS BIGINT) AS new_unused_items
FROM judged LEFT JOIN dim.bib USING (bib_id)
GROUP BY member_code, year, coalesce(scheme, 'none'), coalesce(class, '-')
ORDER BY member_code, year, scheme, class

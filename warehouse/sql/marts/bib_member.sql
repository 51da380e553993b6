-- Which member holds which bib, and with how many records, holdings and items?
-- 哪个成员馆收藏哪种书目？各有多少记录、馆藏和单册？
-- name Holdings by bib and member | 书目收藏馆
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column member_code: Member library code | 成员馆代码
-- column records: Records of the member joined in this bib | 该馆归入此书目的记录数
-- column holdings: Holding statements | 馆藏数
-- column items: Items | 单册数
WITH counted AS (
    SELECT bib_id, member_code, count(*) AS records, 0 AS holdings, 0 AS items
    FROM catalog.bib_record JOIN quality.score USING (source_id) GROUP BY ALL
    UNION ALL
    SELECT bib_id, member_code, 0, count(*), 0 FROM catalog.holding GROUP BY ALL
    UNION ALL
    SELECT bib_id, member_code, 0, 0, count(*) FROM catalog.item GROUP BY ALL
)
SELECT bib_id, member_code,
    CAST(sum(records) AS BIGINT) AS records,
    CAST(sum(holdings) AS BIGINT) AS holdings,
    CAST(sum(items) AS BIGINT) AS items
FROM counted
GROUP BY bib_id, member_code
ORDER BY bib_id, member_code

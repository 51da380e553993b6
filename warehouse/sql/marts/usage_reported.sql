-- Which usage does each member report, from when to when, and how much of it could not be joined to a bib?
-- 各成员馆报送了哪些使用数据？起止何时？有多少无法对应书目？
-- name Usage reported | 使用数据报送情况
-- column member_code: Member library code | 成员馆代码
-- column fact: Table with the facts | 事实表
-- column rows: Rows | 行数
-- column orphans: Rows without a bib, of electronic use those of titles and items; none where a fact has no bib | 无法对应书目的行数（电子使用量只计题名与单篇层级），不涉及书目的事实为空
-- column first_date: First day or month | 最早日期
-- column last_date: Last day or month | 最近日期
SELECT member_code, 'catalog.loan' AS fact, count(*) AS rows, count(*) FILTER (bib_id IS NULL) AS orphans,
    min(event_date) AS first_date, max(event_date) AS last_date FROM catalog.loan GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.item_month', count(*), count(*) FILTER (bib_id IS NULL), min(month), max(month)
FROM catalog.item_month WHERE from_snapshot GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.population', count(*), NULL, min(month), max(month)
FROM catalog.population GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.request', count(*), count(*) FILTER (bib_id IS NULL), min(submitted_date),
    max(submitted_date) FROM catalog.request GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.eusage', count(*),
    count(*) FILTER (bib_id IS NULL AND level IN ('title', 'item')), min(month), max(month)
FROM catalog.eusage GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.ebook_loan', count(*), count(*) FILTER (bib_id IS NULL), min(borrowed_date),
    max(borrowed_date) FROM catalog.ebook_loan GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.ppv', count(*), count(*) FILTER (bib_id IS NULL), min(ordered_date),
    max(ordered_date) FROM catalog.ppv GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.system_usage', count(*), NULL, min(month), max(month)
FROM catalog.system_usage GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.cost', count(*), NULL, make_date(min(year), 1, 1), make_date(max(year), 12, 31)
FROM catalog.cost GROUP BY member_code
UNION ALL SELECT member_code, 'catalog.title_list', count(*), count(*) FILTER (bib_id IS NULL), NULL, NULL
FROM catalog.title_list GROUP BY member_code
ORDER BY member_code, fact

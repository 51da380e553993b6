-- To which disciplines does a bib belong, by its class number?
-- 每种书目按分类号属于哪些学科门类？
-- name Bib by discipline | 书目学科
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column discipline: Code of the discipline | 学科门类代码
-- column weight: Part of the bib that counts for it; 1 over all disciplines of a bib | 归入该学科的权重，同一书目合计为 1
WITH beginning AS (SELECT DISTINCT scheme, left(class_number, 4) AS number FROM dim.bib WHERE scheme <> 'none'),
best AS (
    SELECT beginning.scheme, number, max_by(prefix, length(prefix)) AS prefix
    FROM beginning JOIN dim.class_discipline AS known
        ON known.scheme = beginning.scheme AND starts_with(number, prefix)
    GROUP BY ALL
)
SELECT bib_id, discipline, weight
FROM dim.bib
JOIN best ON best.scheme = bib.scheme AND best.number = left(bib.class_number, 4)
JOIN dim.class_discipline AS known ON known.scheme = best.scheme AND known.prefix = best.prefix
ORDER BY bib_id, discipline

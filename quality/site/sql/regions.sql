SELECT coalesce(centre.name_zh, '全国中心直接服务') AS name_zh, coalesce(centre.name_en, 'Served by national centres') AS name_en,
    count(DISTINCT bib_id) AS bibs, CAST(sum(held.items) AS BIGINT) AS items, count(DISTINCT held.member_code) AS members
FROM marts.bib_member AS held
JOIN dim.member USING (member_code)
LEFT JOIN dim.centre ON centre_code = regional_centre
GROUP BY ALL
ORDER BY bibs DESC, name_zh

SELECT coalesce(centre.name_zh, '全国中心直接服务') AS name_zh, coalesce(centre.name_en, 'Served by national centres') AS name_en,
    CAST(sum(loans) AS BIGINT) AS loans
FROM marts.circulation
JOIN dim.member USING (member_code)
LEFT JOIN dim.centre ON centre_code = regional_centre
GROUP BY ALL
ORDER BY loans DESC, name_zh

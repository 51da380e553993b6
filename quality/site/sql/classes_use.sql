SELECT scheme, class, name_zh, name_en, CAST(sum(loans) AS BIGINT) AS loans
FROM (SELECT coalesce(scheme, 'none') AS scheme, coalesce(class, '-') AS class, loans FROM marts.loans_by_title_and_month)
JOIN dim.class USING (scheme, class)
WHERE loans > 0
GROUP BY ALL
ORDER BY scheme, class

SELECT scheme, class, name_zh, name_en, CAST(sum(loans) AS BIGINT) AS loans
FROM marts.use_ratio JOIN dim.class USING (scheme, class)
WHERE member_code = 'ALL' AND loans > 0
GROUP BY ALL
ORDER BY scheme, class

SELECT CAST(year AS VARCHAR) AS year, CAST(sum(loans) AS BIGINT) AS loans
FROM marts.circulation GROUP BY year ORDER BY year

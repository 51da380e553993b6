SELECT CASE WHEN members <= 10 THEN CAST(members AS VARCHAR) WHEN members <= 20 THEN '11–20'
        WHEN members <= 50 THEN '21–50' WHEN members <= 100 THEN '51–100' ELSE '> 100' END AS members,
    sum(bibs) AS bibs
FROM marts.held_distribution
GROUP BY ALL
ORDER BY min(held_distribution.members)

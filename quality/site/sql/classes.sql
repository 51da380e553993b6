SELECT scheme, class, name_zh, name_en, count(*) AS bibs
FROM dim.bib JOIN dim.class USING (scheme, class)
GROUP BY ALL
ORDER BY scheme, class

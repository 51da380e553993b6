SELECT scheme, class, name_zh, name_en, count(*) AS bibs
FROM marts.bib_class JOIN marts.class_name USING (scheme, class)
GROUP BY ALL
ORDER BY scheme, class

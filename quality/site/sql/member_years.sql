SELECT member_code, pub_year, count(*) AS bibs
FROM marts.bib_member JOIN catalog.bib USING (bib_id)
GROUP BY ALL
ORDER BY member_code, pub_year

SELECT pub_year, count(*) AS bibs FROM dim.bib GROUP BY pub_year ORDER BY pub_year

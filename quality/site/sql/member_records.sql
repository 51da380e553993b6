-- the records that are worst, with their titles
WITH worst AS (
    SELECT member_code, record_score.*
    FROM quality.record_score JOIN (SELECT source_id, member_code FROM quality.score) USING (source_id)
    WHERE record_score.score < 100
    QUALIFY row_number() OVER (
        PARTITION BY member_code ORDER BY record_score.score, completeness, source_id, record_id
    ) <= 10
)
SELECT worst.*, bib.title, bib.pub_year
FROM worst
LEFT JOIN catalog.bib_record AS link USING (source_id, record_id)
LEFT JOIN catalog.bib AS bib USING (bib_id)
ORDER BY member_code, worst.score, completeness, source_id, record_id

WITH chosen AS (
    SELECT member_code, source_id, record_id, record_no, rule, tag, value, is_waived AS waived
    FROM finding JOIN quality.score USING (source_id)
    QUALIFY row_number() OVER (
        PARTITION BY member_code, rule ORDER BY is_waived, source_id, batch_id DESC, record_no
    ) <= 3
)
SELECT chosen.*, bib.title, bib.pub_year
FROM chosen
LEFT JOIN catalog.bib_record AS link USING (source_id, record_id)
LEFT JOIN catalog.bib AS bib USING (bib_id)
ORDER BY member_code, rule, waived, source_id, record_no

WITH numbered AS (
    SELECT member_code, source_id, batch_id, record_id, record_no, rule, tag, value, is_waived AS waived,
        row_number() OVER (PARTITION BY rule, source_id ORDER BY batch_id DESC, record_no) AS nth
    FROM finding JOIN quality.score USING (source_id)
)
SELECT * FROM numbered
-- one of each source before a second of any, so that examples come from several systems
QUALIFY row_number() OVER (PARTITION BY rule ORDER BY waived, nth, source_id) <= 4
ORDER BY rule, waived, nth, source_id

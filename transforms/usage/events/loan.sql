-- A row is an event; where loan and return stand in one row, it is two.
SELECT row, part, fault, tenant, coalesce(withdrawn, false) OR kind = 'withdrawn' AS withdrawn,
    coalesce(event_id || CASE WHEN part = 2 THEN '-return' ELSE '' END,
        substr(md5(concat_ws('|', barcode, kind, happened, reader_key)), 1, 16)) AS event_id,
    kind AS event_type, happened AS event_time, local_date(happened, getvariable('zone')) AS event_date,
    due_date, barcode, location, reader_type, reader_group, department, reader_key
FROM (
    SELECT *, 1 AS part, coalesce(event_type, CASE WHEN borrowed_at IS NOT NULL THEN 'loan' END) AS kind,
        coalesce(event_time, borrowed_at) AS happened
    FROM cells
    UNION ALL
    SELECT * REPLACE (NULL AS due_date), 2, 'return', returned_at FROM cells WHERE returned_given
)

-- One calendar month: DuckDB goes from 31 January to the last day of February.
SELECT row, 1 AS part, tenant, coalesce(withdrawn, false) AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN coalesce(title, title_id, nullif(isbn, '')) IS NULL THEN
        'neither title, title_id nor isbn tells which book it was' END,
        CASE WHEN expires_date < borrowed_date THEN 'expires_date is before borrowed_at' END), '') AS fault,
    coalesce(loan_id, substr(md5(concat_ws('|', borrowed_at, coalesce(platform, ''), coalesce(title_id, ''),
        coalesce(title, ''), coalesce(isbn, ''), coalesce(reader_key, 0))), 1, 16)) AS loan_id,
    borrowed_at, borrowed_date, coalesce(expires_date, CAST(borrowed_date + INTERVAL 1 MONTH AS DATE)) AS expires_date,
    platform, title_id, title, nullif(isbn, '') AS isbn, bad_ids(isbn_bad, NULL) AS bad_ids, isbn_mended,
    reader_type, reader_group, department, reader_key
FROM (SELECT *, local_date(borrowed_at, getvariable('zone')) AS borrowed_date FROM cells)

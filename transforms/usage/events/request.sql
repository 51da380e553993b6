-- A log without numbers gets them from what the row says; without a status nothing is known of the outcome.
SELECT row, 1 AS part, tenant, coalesce(withdrawn, false) AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN role IS NULL THEN
        'which side reported it is not known: write role=borrow or role=lend into the quirks of the source' END,
        CASE WHEN request_id IS NULL AND title IS NULL AND article_title IS NULL THEN
        'neither a number nor a title tells what was asked for' END), '') AS fault,
    coalesce(request_id, substr(md5(concat_ws('|', lower(coalesce(title, '')), lower(coalesce(article_title, '')),
        coalesce(volume, ''), coalesce(issue, ''), coalesce(pages, ''), coalesce(CAST(pub_year AS VARCHAR), ''),
        coalesce(CAST(submitted_at AS VARCHAR), ''), coalesce(partner, ''), coalesce(CAST(reader_key AS VARCHAR), '')
    )), 1, 16)) AS request_id,
    role, coalesce(service, CASE WHEN article_title IS NOT NULL THEN 'Copy' ELSE 'CopyOrLoan' END) AS service,
    partner, submitted_at, local_date(submitted_at, getvariable('zone')) AS submitted_date, supplied_at, closed_at,
    coalesce(status, 'RequestReceived') AS status,
    coalesce(map_extract_value(getvariable('ill_outcome'), lower(status)), 'open') AS outcome,
    unfilled_reason, fee_cents, coalesce(currency, CASE WHEN fee_cents IS NOT NULL THEN 'CNY' END) AS currency,
    title, article_title, pub_year, nullif(concat_ws(' ', volume, '(' || issue || ')', pages), '') AS volume_issue,
    nullif(isbn, '') AS isbn, issn, doi, bad_ids(isbn_bad, issn_bad) AS bad_ids, isbn_mended,
    reader_type, reader_group, department, reader_key,
    coalesce(attempt_no, 1) AS attempt_no, returned_at
FROM cells

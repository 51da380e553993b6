SELECT row, 1 AS part, tenant, coalesce(withdrawn, false) AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN platform IS NULL THEN
        'the platform is not known: write platform=… into the quirks of the source' END), '') AS fault,
    coalesce(order_id, substr(md5(concat_ws('|', ordered_at, platform, coalesce(title, ''),
        coalesce(article_title, ''), coalesce(doi, ''), price_cents, coalesce(reader_key, 0))), 1, 16)) AS order_id,
    ordered_at, local_date(ordered_at, getvariable('zone')) AS ordered_date, platform, title, article_title,
    nullif(isbn, '') AS isbn, issn, doi, bad_ids(isbn_bad, issn_bad) AS bad_ids, isbn_mended,
    price_cents, coalesce(currency, 'CNY') AS currency,
    reader_type, reader_group, department, reader_key
FROM cells

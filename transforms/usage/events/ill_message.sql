SELECT row, 1 AS part, fault, NULL AS tenant, false AS withdrawn,
    message, request_id, requester, supplier, sent_at, service, status, reason, changed_at, unfilled_reason, fee_cents,
    currency, title, article_title, pub_year,
    nullif(concat_ws(' ', volume, '(' || issue || ')', pages), '') AS volume_issue, nullif(isbn, '') AS isbn, issn, doi,
    bad_ids(isbn_bad, issn_bad) AS bad_ids
FROM cells

-- Requests of logs, and those that messages tell of: the first asks, the last answer says how it stands, and a
-- supplier that filled it outweighs those that did not.
WITH answers AS (
    SELECT *, map_extract_value(getvariable('ill_outcome'), lower(status)) AS outcome FROM staged.current_ill_message
),
folded AS (
    SELECT source_id, requester, request_id, min(sent_at) FILTER (message = 'request') AS submitted_at,
        min(coalesce(changed_at, sent_at)) FILTER (outcome = 'filled') AS supplied_at,
        max(coalesce(changed_at, sent_at)) FILTER (
            status IN ('LoanCompleted', 'CopyCompleted', 'CompletedWithoutReturn', 'Cancelled', 'Unfilled')
        ) AS closed_at,
        arg_max(status, (outcome = 'filled', sent_at)) FILTER (status IS NOT NULL) AS status,
        arg_max(supplier, (outcome = 'filled', sent_at)) AS partner,
        arg_max(unfilled_reason, sent_at) FILTER (unfilled_reason IS NOT NULL) AS unfilled_reason,
        arg_max(fee_cents, sent_at) FILTER (fee_cents IS NOT NULL) AS fee_cents,
        arg_max(currency, sent_at) FILTER (currency IS NOT NULL) AS currency,
        arg_max(service, sent_at) FILTER (service IS NOT NULL) AS service,
        arg_max(title, sent_at) FILTER (title IS NOT NULL) AS title,
        arg_max(article_title, sent_at) FILTER (article_title IS NOT NULL) AS article_title,
        arg_max(pub_year, sent_at) FILTER (pub_year IS NOT NULL) AS pub_year,
        arg_max(volume_issue, sent_at) FILTER (volume_issue IS NOT NULL) AS volume_issue,
        arg_max(isbn, sent_at) FILTER (isbn IS NOT NULL) AS isbn,
        arg_max(issn, sent_at) FILTER (issn IS NOT NULL) AS issn, arg_max(doi, sent_at) FILTER (doi IS NOT NULL) AS doi
    FROM answers GROUP BY source_id, requester, request_id
),
requests AS (
    SELECT * EXCLUDE (batch_id, record_no, digest) FROM staged.current_request
    UNION ALL BY NAME
    SELECT * EXCLUDE (status, requester, service, partner, zone, role, member_code),
        digest64(concat_ws('|', requester, request_id)) AS row_key, role,
        coalesce(status, 'RequestReceived') AS status, coalesce(service, 'CopyOrLoan') AS service,
        CASE WHEN role = 'lend' THEN requester ELSE partner END AS partner,
        coalesce(map_extract_value(getvariable('ill_outcome'), lower(status)), 'open') AS outcome,
        local_date(submitted_at, zone) AS submitted_date
    FROM folded JOIN source USING (source_id)
)
SELECT coalesce(tenant, source.member_code) AS member_code, requests.*,
    coalesce(by_isbn.bib_id, by_issn.bib_id) AS bib_id, named.member_code AS partner_code
FROM requests JOIN source USING (source_id)
LEFT JOIN number_bib AS by_isbn ON by_isbn.number = isbn
LEFT JOIN number_bib AS by_issn ON by_issn.number = issn
LEFT JOIN named_member AS named ON named.name = lower(regexp_replace(partner, '^[A-Z]+:', ''))

-- Requests of logs, and those that messages tell of.  How one stands says the supplier that filled it, else one that
-- has not answered, else the last that was asked; it was submitted when the first was asked.
WITH best AS (
    SELECT source_id, request_key AS row_key, min(asked_at) AS asked_at,
        arg_max(asked, (outcome = 'filled', outcome = 'open', attempt_no)) AS attempt
    FROM asked GROUP BY source_id, request_key
),
folded AS (
    SELECT source_id, requester, request_id, digest64(concat_ws('|', requester, request_id)) AS row_key,
        arg_max(service, sent_at) FILTER (service IS NOT NULL) AS service,
        arg_max(title, sent_at) FILTER (title IS NOT NULL) AS title,
        arg_max(article_title, sent_at) FILTER (article_title IS NOT NULL) AS article_title,
        arg_max(pub_year, sent_at) FILTER (pub_year IS NOT NULL) AS pub_year,
        arg_max(volume_issue, sent_at) FILTER (volume_issue IS NOT NULL) AS volume_issue,
        arg_max(isbn, sent_at) FILTER (isbn IS NOT NULL) AS isbn,
        arg_max(issn, sent_at) FILTER (issn IS NOT NULL) AS issn, arg_max(doi, sent_at) FILTER (doi IS NOT NULL) AS doi,
        arg_max(bad_ids, sent_at) FILTER (bad_ids IS NOT NULL) AS bad_ids, false AS isbn_mended
    FROM staged.current_ill_message GROUP BY source_id, requester, request_id
),
requests AS (
    SELECT r.* EXCLUDE (batch_id, record_no, digest) REPLACE (
        coalesce(best.asked_at, submitted_at) AS submitted_at,
        CASE WHEN best.asked_at < submitted_at THEN local_date(best.asked_at, zone) ELSE submitted_date END
            AS submitted_date,
        CASE WHEN attempt IS NULL THEN supplied_at ELSE attempt.supplied_at END AS supplied_at,
        coalesce(attempt.status, status) AS status, coalesce(attempt.outcome, outcome) AS outcome,
        coalesce(attempt.supplier, partner) AS partner,
        CASE WHEN attempt IS NULL THEN unfilled_reason ELSE attempt.unfilled_reason END AS unfilled_reason,
        CASE WHEN attempt IS NULL THEN fee_cents ELSE attempt.fee_cents END AS fee_cents,
        CASE WHEN attempt IS NULL THEN currency ELSE attempt.currency END AS currency
    )
    FROM staged.current_request AS r JOIN source USING (source_id) LEFT JOIN best USING (source_id, row_key)
    UNION ALL BY NAME
    SELECT folded.* EXCLUDE (requester, service), role, coalesce(service, 'CopyOrLoan') AS service,
        best.asked_at AS submitted_at, local_date(best.asked_at, zone) AS submitted_date,
        attempt.supplied_at, attempt.status, attempt.outcome, attempt.unfilled_reason, attempt.fee_cents,
        attempt.currency,
        CASE WHEN attempt.status IN ('LoanCompleted', 'CopyCompleted', 'CompletedWithoutReturn', 'Cancelled', 'Unfilled')
            THEN attempt.told_at END AS closed_at,
        CASE WHEN role = 'lend' THEN requester ELSE attempt.supplier END AS partner
    FROM folded JOIN source USING (source_id) JOIN best USING (source_id, row_key)
)
SELECT coalesce(tenant, source.member_code) AS member_code, requests.*,
    coalesce(by_isbn.bib_id, by_issn.bib_id) AS bib_id, named.member_code AS partner_code
FROM requests JOIN (SELECT source_id, member_code FROM source) AS source USING (source_id)
LEFT JOIN number_bib AS by_isbn ON by_isbn.number = isbn
LEFT JOIN number_bib AS by_issn ON by_issn.number = issn
LEFT JOIN named_member AS named ON named.name = lower(regexp_replace(partner, '^[A-Z]+:', ''))

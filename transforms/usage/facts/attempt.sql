-- Attempts of logs, and of messages one for each supplier asked.
WITH answers AS (
    SELECT *, map_extract_value(getvariable('ill_outcome'), lower(status)) AS outcome FROM staged.current_ill_message
),
folded AS (
    SELECT source_id, requester, request_id, supplier, min(sent_at) AS asked_at,
        min(coalesce(changed_at, sent_at)) FILTER (outcome = 'filled') AS supplied_at,
        max(coalesce(changed_at, sent_at)) FILTER (status = 'LoanCompleted') AS returned_at,
        arg_max(status, sent_at) FILTER (status IS NOT NULL) AS status,
        arg_max(unfilled_reason, sent_at) FILTER (unfilled_reason IS NOT NULL) AS unfilled_reason,
        arg_max(fee_cents, sent_at) FILTER (fee_cents IS NOT NULL) AS fee_cents,
        arg_max(currency, sent_at) FILTER (currency IS NOT NULL) AS currency
    FROM answers GROUP BY source_id, requester, request_id, supplier
),
attempts AS (
    SELECT * EXCLUDE (batch_id, record_no, digest) FROM staged.current_attempt
    UNION ALL BY NAME
    SELECT * EXCLUDE (status, requester, zone, member_code),
        digest64(concat_ws('|', requester, request_id, supplier)) AS row_key,
        CAST(row_number() OVER (PARTITION BY source_id, requester, request_id ORDER BY asked_at, supplier) AS INTEGER)
            AS attempt_no,
        coalesce(status, 'RequestReceived') AS status,
        coalesce(map_extract_value(getvariable('ill_outcome'), lower(status)), 'open') AS outcome
    FROM folded JOIN source USING (source_id)
)
SELECT coalesce(attempts.tenant, source.member_code) AS member_code, attempts.*, request.bib_id,
    CASE WHEN attempts.role = 'lend' AND supplier IS NULL THEN source.member_code ELSE named.member_code END
        AS supplier_code
FROM attempts JOIN (SELECT source_id, member_code FROM source) AS source USING (source_id)
LEFT JOIN (SELECT source_id, role, request_id, min(bib_id) AS bib_id FROM request GROUP BY ALL) AS request
    USING (source_id, role, request_id)
LEFT JOIN named_member AS named ON named.name = lower(regexp_replace(supplier, '^[A-Z]+:', ''))

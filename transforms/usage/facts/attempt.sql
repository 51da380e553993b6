-- Attempts with the bib of their request; of a request that was lent, the supplier is the library itself.
WITH known AS (
    SELECT coalesce(asked.tenant, source.member_code) AS member_code, asked.*, request.bib_id, partner_code,
        local_date(asked_at, zone) AS asked_date,
        CASE WHEN asked.role = 'lend' AND supplier IS NULL THEN source.member_code ELSE named.member_code END
            AS supplier_code
    FROM asked JOIN (SELECT source_id, member_code, zone FROM source) AS source USING (source_id)
    LEFT JOIN (SELECT source_id, row_key, bib_id, partner_code FROM request) AS request
        ON request.source_id = asked.source_id AND request.row_key = asked.request_key
    LEFT JOIN named_member AS named ON named.name = lower(regexp_replace(supplier, '^[A-Z]+:', ''))
)
-- numbers of requests are a library's own: only with the same borrower are two rows one attempt
-- (a condition on one side alone would make each row be compared with each)
SELECT known.*, own.request_id IS NOT NULL AS told_twice
FROM known LEFT JOIN (SELECT DISTINCT member_code, request_id, supplier_code FROM known WHERE role = 'borrow') AS own
    ON own.member_code = CASE WHEN known.role = 'lend' THEN known.partner_code END
        AND own.request_id = known.request_id AND own.supplier_code = known.supplier_code

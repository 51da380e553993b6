-- Attempts with the bib of their request; of a request that was lent, the supplier is the library itself.
SELECT coalesce(asked.tenant, source.member_code) AS member_code, asked.*, request.bib_id,
    CASE WHEN asked.role = 'lend' AND supplier IS NULL THEN source.member_code ELSE named.member_code END
        AS supplier_code
FROM asked JOIN (SELECT source_id, member_code FROM source) AS source USING (source_id)
LEFT JOIN (SELECT source_id, row_key, bib_id FROM request) AS request
    ON request.source_id = asked.source_id AND request.row_key = asked.request_key
LEFT JOIN named_member AS named ON named.name = lower(regexp_replace(supplier, '^[A-Z]+:', ''))

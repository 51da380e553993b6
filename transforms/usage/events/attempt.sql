-- The supplier that a row of a log names; of a request that was lent, the library itself.
SELECT row, part, record_no, fault, tenant, withdrawn, request_id, CAST(attempt_no AS INTEGER) AS attempt_no, role,
    CASE WHEN role = 'borrow' THEN partner END AS supplier, submitted_at AS asked_at, supplied_at, returned_at,
    status, outcome, unfilled_reason, fee_cents, currency
FROM numbered
WHERE fault IS NULL AND (role = 'lend' OR partner IS NOT NULL)

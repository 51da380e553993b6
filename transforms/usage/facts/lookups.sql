-- What facts are joined to; each statement makes one table.  `bib`, `item`, `bib_record`, `redirect`, `former_record`
-- and `member` are views of the build; `source` has source_id, member_code, role and zone of the registry.

-- The bib of every record that is or ever was.
CREATE OR REPLACE TEMP TABLE record_bib AS
SELECT source.member_code, source_id, record_id, bib_id
FROM (
    SELECT source_id, record_id, bib_id FROM bib_record
    UNION ALL
    SELECT source_id, record_id, living_bib_id FROM former_record
    JOIN redirect USING (bib_id) WHERE living_bib_id IS NOT NULL
) JOIN source USING (source_id);

-- Where an item is, or else where the member had it: its records of before keep its barcode.
-- A barcode on two items of a member is a fault that quality reports; an event must not count twice.
CREATE OR REPLACE TEMP TABLE item_of AS
SELECT member_code, barcode, arg_min(bib_id, (rank, bib_id)) AS bib_id,
    CASE WHEN min(rank) = 1 THEN 'current' ELSE 'former' END AS item_link
FROM (
    SELECT member_code, barcode, bib_id, 1 AS rank FROM item WHERE barcode IS NOT NULL
    UNION ALL
    SELECT member_code, barcode, bib_id, 2 FROM staged.item JOIN record_bib USING (source_id, record_id)
    WHERE barcode IS NOT NULL
    UNION ALL
    SELECT source.member_code, barcode, bib_id, 3 FROM staged.current_item_month AS m JOIN source USING (source_id)
    JOIN record_bib ON record_bib.member_code = source.member_code AND record_bib.record_id = m.record_id
)
GROUP BY member_code, barcode;

-- The bib of a standard number; of several that have it, the one that most members hold.
CREATE OR REPLACE TEMP TABLE number_bib AS
SELECT number, arg_max(bib_id, (members, bib_id)) AS bib_id
FROM (
    SELECT unnest(isbn) AS number, members, bib_id FROM bib
    UNION ALL
    SELECT unnest(issn), members, bib_id FROM bib
)
GROUP BY number;

-- Names by which a member is known: its code, that of the ministry, its name; ISO 18626 writes type:value.
CREATE OR REPLACE TEMP TABLE named_member AS
SELECT lower(name) AS name, min(member_code) AS member_code
FROM (SELECT member_code, unnest([member_code, moe_code, name_zh, name_en]) AS name FROM member)
WHERE name IS NOT NULL GROUP BY ALL HAVING count(DISTINCT member_code) = 1;

-- Every supplier asked for a request, from logs and from messages; `request_key` is the row key of the request.
-- Of messages the last that has a status says how it stands; to ask again opens it again.
CREATE OR REPLACE TEMP TABLE asked AS
WITH messages AS (
    SELECT *, CASE WHEN message = 'request' THEN 'RequestReceived' ELSE status END AS said,
        coalesce(changed_at, sent_at) AS told_at, (sent_at, message <> 'request', batch_id, record_no) AS turn
    FROM staged.current_ill_message
),
folded AS (
    SELECT source_id, requester, request_id, supplier, min(sent_at) AS asked_at,
        min(told_at) FILTER (map_extract_value(getvariable('ill_outcome'), lower(said)) = 'filled') AS supplied_at,
        max(told_at) FILTER (said = 'LoanCompleted') AS returned_at,
        coalesce(arg_max(said, turn) FILTER (said IS NOT NULL), 'RequestReceived') AS status,
        arg_max(told_at, turn) FILTER (said IS NOT NULL) AS told_at,
        arg_max(unfilled_reason, turn) FILTER (unfilled_reason IS NOT NULL) AS unfilled_reason,
        arg_max(fee_cents, turn) FILTER (fee_cents IS NOT NULL) AS fee_cents,
        arg_max(currency, turn) FILTER (currency IS NOT NULL) AS currency
    FROM messages GROUP BY source_id, requester, request_id, supplier
)
SELECT a.* EXCLUDE (batch_id, record_no, digest), r.row_key AS request_key
FROM staged.current_attempt AS a
LEFT JOIN (SELECT source_id, role, request_id, row_key FROM staged.current_request) AS r
    USING (source_id, role, request_id)
UNION ALL BY NAME
SELECT folded.* EXCLUDE (requester, unfilled_reason), role,
    digest64(concat_ws('|', requester, request_id, supplier)) AS row_key,
    digest64(concat_ws('|', requester, request_id)) AS request_key,
    CAST(row_number() OVER (PARTITION BY source_id, requester, request_id ORDER BY asked_at, supplier) AS INTEGER)
        AS attempt_no,
    coalesce(map_extract_value(getvariable('ill_outcome'), lower(status)), 'open') AS outcome,
    CASE WHEN status = 'Unfilled' THEN unfilled_reason END AS unfilled_reason
FROM folded JOIN source USING (source_id);

-- A member without any snapshot: its items as catalogued, in the month of its last loan, else of its last batch.
WITH snapshots AS (SELECT DISTINCT member_code FROM staged.current_item_month JOIN source USING (source_id)),
last_loan AS (
    SELECT member_code, max(event_date) AS day FROM staged.current_loan JOIN source USING (source_id) GROUP BY ALL
),
last_batch AS (SELECT source_id, max(batch_id) AS batch_id FROM staged.record GROUP BY ALL)
SELECT source.member_code, m.* EXCLUDE (call_number), m.call_number,
    coalesce(item_of.bib_id, record.bib_id) AS bib_id, true AS from_snapshot
FROM staged.current_item_month AS m JOIN source USING (source_id)
LEFT JOIN item_of ON item_of.member_code = source.member_code AND item_of.barcode = m.barcode
LEFT JOIN (SELECT member_code, record_id, min(bib_id) AS bib_id FROM record_bib GROUP BY ALL) AS record
    ON record.member_code = source.member_code AND record.record_id = m.record_id
UNION ALL BY NAME
SELECT item.member_code, item.source_id, digest64(concat_ws('|', item.source_id, record_id, item_no)) AS row_key,
    CAST(date_trunc('month', coalesce(day, try_strptime(left(batch_id, 8), '%Y%m%d'), DATE '2000-01-01')) AS DATE)
        AS month, barcode,
    record_id, location, call_number, item_status, NULL AS loanable, NULL AS accession_date, NULL AS price_cents,
    bib_id, false AS from_snapshot
FROM item JOIN last_batch USING (source_id)
LEFT JOIN last_loan ON last_loan.member_code = item.member_code
ANTI JOIN snapshots ON snapshots.member_code = item.member_code

SELECT row, 1 AS part, fault, NULL AS tenant, false AS withdrawn,
    month, barcode, record_id, location, call_number, item_status, loanable, accession_date, price_cents
FROM cells

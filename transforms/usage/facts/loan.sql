SELECT source.member_code, * EXCLUDE (member_code, item_link),
    coalesce(item_link, 'none') AS item_link
FROM staged.current_loan JOIN source USING (source_id)
LEFT JOIN item_of USING (member_code, barcode)

SELECT member_code, scheme, class, class_name_zh AS name_zh, class_name_en AS name_en, bibs
FROM marts.holdings_by_member_and_class ORDER BY member_code, scheme, class

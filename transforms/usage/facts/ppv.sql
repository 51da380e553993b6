SELECT coalesce(named.member_code, tenant, source.member_code) AS member_code, p.*,
    coalesce(by_isbn.bib_id, by_issn.bib_id) AS bib_id
FROM staged.current_ppv AS p JOIN source USING (source_id)
LEFT JOIN named_member AS named ON named.name = lower(tenant)
LEFT JOIN number_bib AS by_isbn ON by_isbn.number = isbn
LEFT JOIN number_bib AS by_issn ON by_issn.number = issn

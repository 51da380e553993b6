SELECT coalesce(named.member_code, tenant, source.member_code) AS member_code, e.*, number_bib.bib_id
FROM staged.current_ebook_loan AS e JOIN source USING (source_id)
LEFT JOIN named_member AS named ON named.name = lower(tenant)
LEFT JOIN number_bib ON number_bib.number = isbn

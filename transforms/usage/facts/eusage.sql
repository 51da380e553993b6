SELECT source.member_code, e.*, coalesce(by_isbn.bib_id, by_print.bib_id, by_online.bib_id) AS bib_id
FROM staged.current_eusage AS e JOIN source USING (source_id)
LEFT JOIN number_bib AS by_isbn ON by_isbn.number = isbn
LEFT JOIN number_bib AS by_print ON by_print.number = print_issn
LEFT JOIN number_bib AS by_online ON by_online.number = online_issn

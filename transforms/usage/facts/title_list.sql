SELECT source.member_code, t.*,
    coalesce(by_print.bib_id, by_online.bib_id, by_issn.bib_id, by_online_issn.bib_id) AS bib_id
FROM staged.current_title_list AS t JOIN source USING (source_id)
LEFT JOIN number_bib AS by_print ON by_print.number = isbn
LEFT JOIN number_bib AS by_online ON by_online.number = online_isbn
LEFT JOIN number_bib AS by_issn ON by_issn.number = issn
LEFT JOIN number_bib AS by_online_issn ON by_online_issn.number = online_issn

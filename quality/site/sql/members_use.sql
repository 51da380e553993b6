SELECT member_code, name_zh, name_en, year, loans, turnover, borrowed_share, readers
FROM marts.circulation JOIN dim.member USING (member_code) ORDER BY year DESC, loans DESC, member_code

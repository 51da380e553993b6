SELECT * FROM quality.score ORDER BY member_code, source_id

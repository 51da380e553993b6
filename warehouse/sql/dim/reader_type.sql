-- Which reader types do the members know, and in which group is each?
-- 各成员馆有哪些读者类型？各属哪个群体？
-- name Reader type | 读者类型表
-- column member_code: Member library code | 成员馆代码
-- column reader_type: Reader type, as the library calls it | 读者类型（本馆名称）
-- column reader_group: Group that it is put into; unknown where none is known | 读者群体，未知为 unknown
SELECT DISTINCT member_code, reader_type, coalesce(reader_group, 'unknown') AS reader_group
FROM (
    SELECT member_code, reader_type, reader_group FROM catalog.loan
    UNION SELECT member_code, reader_type, reader_group FROM catalog.population
    UNION SELECT member_code, reader_type, reader_group FROM catalog.request
    UNION SELECT member_code, reader_type, reader_group FROM catalog.ebook_loan
    UNION SELECT member_code, reader_type, reader_group FROM catalog.ppv
)
WHERE reader_type IS NOT NULL
ORDER BY ALL

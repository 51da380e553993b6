-- What does a member hold that no other member holds?
-- 各成员馆独有哪些书目？
-- name Unique holdings | 独有馆藏
-- column member_code: Member library code | 成员馆代码
-- column bib_id: Union catalogue identifier | 联合目录书目号
-- column title: Title proper | 正题名
-- column pub_year: Year of publication | 出版年
-- column scheme: Classification: CLC, LCC, or none | 分类法：CLC 中图法，LCC 美国国会图书馆分类法，none 未分类
-- column class: Main class, one letter; - where there is none | 大类（一个字母），未分类为 -
SELECT member_code, bib_id, title, pub_year, scheme, class
FROM (SELECT bib_id, any_value(member_code) AS member_code FROM marts.bib_member GROUP BY bib_id HAVING count(*) = 1)
JOIN dim.bib USING (bib_id)
ORDER BY member_code, bib_id

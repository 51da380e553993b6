-- How much does each group of readers borrow, and how many of them borrow at all?
-- 各类读者人均借阅多少？有多少人借过书？
-- name Per capita | 人均借阅
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column reader_group: Group of readers; students: all groups of students together, everyone: all readers | 读者群体；students 为全体学生，everyone 为全体读者
-- column headcount: Persons in the year's newest month | 人数（该年最近月份）
-- column fte: Full-time equivalent in that month; the headcount where it is not given | 折合全时人数，未给出时用人数
-- column loans: Loans, renewals apart; none where fewer than 5 readers stand behind them or could be worked out from sums | 借出次数（不含续借），读者少于 5 人或可由合计推出时为空
-- column loans_per_fte: loans / fte; of students: loans per student (生均借阅量) | 人均借阅量 = 借出次数 / 折合人数；students 行为生均借阅量
-- column readers: Different readers who borrowed; none where fewer than 5 or not known | 借书读者数，少于 5 人或未知时为空
-- column reader_share: Reader borrowing share (读者借阅率): readers / headcount | 读者借阅率 = 借书读者数 / 人数
WITH newest AS (
    SELECT member_code, year(month) AS year, coalesce(reader_group, 'unknown') AS reader_group, headcount,
        coalesce(fte, headcount) AS fte
    FROM catalog.population
    QUALIFY rank() OVER (PARTITION BY member_code, year(month) ORDER BY month DESC) = 1
),
served AS (
    SELECT member_code, year, reader_group, sum(headcount) AS headcount, sum(fte) AS fte
    FROM newest GROUP BY ALL
),
borrowed AS (
    SELECT member_code, year(event_date) AS year, coalesce(reader_group, 'unknown') AS reader_group, reader_key,
        count(*) AS loans
    FROM memory.catalog.loan WHERE event_type = 'loan' GROUP BY ALL
),
-- readers that are not known count by their loans
counted AS (
    SELECT member_code, year, reader_group, count(DISTINCT reader_key) AS known,
        coalesce(nullif(count(DISTINCT reader_key), 0), sum(loans)) AS people
    FROM borrowed GROUP BY ALL
),
placed AS (
    SELECT *, people < 5 AS small, sum(known) FILTER (people < 5) OVER (PARTITION BY member_code, year) AS hidden,
        row_number() OVER (
            PARTITION BY member_code, year, people < 5 ORDER BY known = 0, people, reader_group
        ) AS place
    FROM counted
),
-- a small group could be told from the sum of all: with it the next smallest is hidden, until five known readers stand behind both
hidden AS (
    SELECT member_code, year, reader_group, known, student
    FROM placed JOIN dim.reader_group USING (reader_group)
    WHERE small OR (hidden < 5 AND place = 1)
),
-- nor may the sum of students tell it, or the rest to all
untold AS (
    SELECT DISTINCT member_code, year, 'students' AS reader_group FROM hidden
    GROUP BY member_code, year, student HAVING sum(known) < 5
    UNION ALL SELECT member_code, year, reader_group FROM hidden
),
-- every group, and these groups added up; a reader who changed group counts once in a sum
sums AS (
    SELECT reader_group, reader_group AS part FROM dim.reader_group
    UNION ALL SELECT 'students', reader_group FROM dim.reader_group WHERE student
    UNION ALL SELECT 'everyone', reader_group FROM dim.reader_group
),
people AS (
    SELECT member_code, year, sums.reader_group, CAST(sum(headcount) AS BIGINT) AS headcount, sum(fte) AS fte
    FROM served JOIN sums ON sums.part = served.reader_group GROUP BY ALL
),
loans AS (
    SELECT member_code, year, sums.reader_group, CAST(sum(loans) AS BIGINT) AS all_loans,
        nullif(count(DISTINCT reader_key), 0) AS all_readers
    FROM borrowed JOIN sums ON sums.part = borrowed.reader_group GROUP BY ALL
),
told AS (
    SELECT member_code, year, reader_group, shown(coalesce(all_readers, all_loans), all_loans) AS loans,
        shown(all_readers, all_readers) AS readers
    FROM loans ANTI JOIN untold USING (member_code, year, reader_group)
)
SELECT member_code, year, reader_group, headcount, fte, loans, loans / nullif(fte, 0) AS loans_per_fte, readers,
    readers / nullif(headcount, 0) AS reader_share
FROM (SELECT * FROM loans FULL JOIN people USING (member_code, year, reader_group))
LEFT JOIN told USING (member_code, year, reader_group)
ORDER BY member_code, year, reader_group

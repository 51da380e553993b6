-- Which sources fail or are late, since when, why, and what is to be done?
-- 哪些数据源采集失败或逾期？从何时起？原因是什么？应如何处理？
-- name Health of sources | 数据源状况
-- column source_id: Source (one feed of a member) | 数据源代码
-- column member_code: Member library code | 成员馆代码
-- column protocol: How it is harvested: oai, folder … | 采集协议
-- column host: Host that serves it; none for a folder | 服务主机；文件夹为空
-- column state: good, failing, late, new (never asked) or resting (schedule @never) | 状态：good 正常，failing 失败，late 逾期，new 未采集过，resting 停采
-- column late: No complete harvest within its schedule and tolerance, as of as_of | 截至 as_of 是否逾期（超过采集计划及宽限）
-- column verdict: Verdict of the last harvest | 最近一次采集的结论
-- column last_attempt_at: When it was last asked | 最近一次采集时间
-- column last_good_at: When it was last harvested with nothing missing (complete or unchanged) | 最近一次完整采集的时间
-- column failing_since: Begin of the first harvest since then that was not complete; none while it is good | 开始失败的时间；正常时为空
-- column failures: Harvests since then that were not complete | 连续未完整采集的次数
-- column received: Records received when any last came | 最近一次有数据时收到的记录数
-- column received_at: When any records last came | 最近一次收到数据的时间
-- column stage_verdict: Verdict on the last batch that was staged | 最近一批入库的结论
-- column next_due: When it is harvested next; none while it rests | 下次采集时间
-- column late_from: When it is, or was, late without a complete harvest | 逾期起点
-- column schedule: When it is harvested | 采集计划
-- column reason: Why it is not good: of the last harvest, else of the last staging | 未完成的原因
-- column advice_en: What to do, in English; none while it is good | 处理建议（英文）
-- column advice_zh: What to do, in Chinese; none while it is good | 处理建议（中文）
-- column as_of: When this was worked out | 截至时间
WITH harvest AS (
    -- a window that was fetched again says nothing of what is new
    SELECT *, verdict IN ('complete', 'unchanged') AS good
    FROM quality.outcome WHERE stage = 'harvest' AND asked_for IS NULL
),
last AS (
    SELECT source_id, arg_max(verdict, batch_id) AS verdict, arg_max(reason, batch_id) AS reason,
        max(started_at) AS last_attempt_at, max(started_at) FILTER (good) AS last_good_at,
        arg_max(received, batch_id) FILTER (received > 0) AS received,
        max(started_at) FILTER (received > 0) AS received_at
    FROM harvest GROUP BY source_id
),
failing AS (
    SELECT source_id, min(started_at) AS failing_since, count(*) AS failures
    FROM harvest JOIN last USING (source_id)
    WHERE NOT good AND (last_good_at IS NULL OR started_at > last_good_at)
    GROUP BY source_id
),
staging AS (
    SELECT source_id, arg_max(verdict, batch_id) AS stage_verdict, arg_max(reason, batch_id) AS stage_reason
    FROM quality.outcome WHERE stage = 'stage' GROUP BY source_id
),
joined AS (
    SELECT *, coalesce(failures, 0) > 0 AS fails, coalesce(late_from <= as_of, false) AS late,
        CASE WHEN failures > 0 THEN reason
            WHEN stage_verdict NOT IN ('complete', 'unchanged') THEN stage_reason END AS why
    FROM quality.source
    LEFT JOIN last USING (source_id) LEFT JOIN failing USING (source_id) LEFT JOIN staging USING (source_id)
),
advice AS (
    SELECT * FROM read_csv(getvariable('sql_folder') || '/harvest_advice.csv', header = true,
        types = {'place': 'INTEGER'})
),
advised AS (
    SELECT source_id, arg_min(advice_en, place) AS advice_en, arg_min(advice_zh, place) AS advice_zh
    FROM joined JOIN advice ON regexp_matches(why, pattern, 'i') GROUP BY source_id
)
SELECT source_id, member_code, protocol, host,
    CASE WHEN schedule = '@never' THEN 'resting' WHEN last_attempt_at IS NULL THEN 'new'
        WHEN late THEN 'late' WHEN fails THEN 'failing' ELSE 'good' END AS state,
    late, verdict, last_attempt_at, last_good_at, failing_since, coalesce(failures, 0) AS failures,
    received, received_at, stage_verdict, next_due, late_from, schedule, coalesce(why, '') AS reason,
    coalesce(advice_en, CASE WHEN late THEN
        'It was not harvested in time: look whether the scheduler runs, and harvest it by hand' END) AS advice_en,
    coalesce(advice_zh, CASE WHEN late THEN '未按时采集：请检查调度程序是否运行，并手动采集' END) AS advice_zh,
    as_of
FROM joined LEFT JOIN advised USING (source_id)
ORDER BY late DESC, fails DESC, failing_since, source_id

"""Tables of what is known of the quality of records, batches and builds."""

from schemas.columns import (
    BATCH_ID,
    BIGINT,
    BOOL,
    DATE,
    FLOAT,
    INT,
    MEMBER,
    RECORD_ID,
    RECORD_NO,
    SOURCE_ID,
    STRING,
    TIME,
    Table,
    col,
    key,
)

QUALITY_ISSUE = Table(
    "quality",
    "issue",
    "one finding of one rule on one record",
    "质量问题",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        col("record_id", STRING, "Identifier of the record, where one could be read", "记录号"),
        key("rule", STRING, "Rule code (quality/rules)", "规则代码"),
        key("severity", STRING, "fail or warn", "级别"),
        col("tag", STRING, "Field it speaks of", "字段号"),
        col("value", STRING, "The value found", "值"),
    ),
)

QUALITY_OUTCOME = Table(
    "quality",
    "outcome",
    "what one stage did with one batch of one source",
    "阶段结果",
    (
        key("stage", STRING, "harvest, stage, catalog, publish, report or feedback", "阶段"),
        key("source_id", STRING, "Source; * for a stage over all sources", "数据源代码"),
        key("batch_id", STRING, "Batch or build", "批次"),
        key("run_id", STRING, "Run that last did it", "运行号"),
        key("started_at", TIME, "Begin", "开始"),
        key("ended_at", TIME, "End", "结束"),
        key("verdict", STRING, "complete, partial, unchanged, held, rejected or failed", "结论"),
        key("received", BIGINT, "Records that came in", "收到"),
        key("staged", BIGINT, "Records passed on to the next layer", "入库"),
        key("rejected", BIGINT, "Records set aside with a reason", "退回"),
        key("deleted", BIGINT, "Deletions received", "删除"),
        key("unchanged", BIGINT, "Records equal to what was there", "未变"),
        key("reason", STRING, "Why it is not complete, and what to do; empty when it is", "原因"),
        col(
            "asked_for", STRING, "Dates that were asked for again, since/until; else none: what is new", "补采时段"
        ),
    ),
    key=("stage", "source_id", "batch_id"),
)

QUALITY_SOURCE = Table(
    "quality",
    "source",
    "one source of the registry, and when it is due",
    "数据源及其采集期限",
    (
        SOURCE_ID,
        MEMBER,
        key("protocol", STRING, "How it is harvested: oai, folder …", "采集协议"),
        col("host", STRING, "Host that serves it; none for a folder", "服务主机"),
        key("format", STRING, "Format of its records; auto where it is found", "数据格式"),
        key("delivery", STRING, "full (each export has everything) or delta", "交付方式"),
        key("schedule", STRING, "When it is harvested (cron, or @daily and the like); @never rests", "采集计划"),
        col("next_due", TIME, "When it is harvested next; none while it rests", "下次采集时间"),
        col(
            "late_from",
            TIME,
            "When it is, or was, late without a complete harvest; none while it rests",
            "逾期起点",
        ),
        key("as_of", TIME, "When this row was made", "截至时间"),
    ),
    key=("source_id",),
)

# What is counted of a source, or of any group of records.
COUNTED = (
    key("records", BIGINT, "Current records", "现有记录数"),
    key("with_issue", BIGINT, "Records with at least one finding that counts", "有问题记录数"),
    key("fails", BIGINT, "Findings of severity fail that count", "错误数"),
    key("warns", BIGINT, "Findings of severity warn that count", "警告数"),
    key("waived", BIGINT, "Findings of rules that are waived for their source", "豁免的问题数"),
    key("rejected", BIGINT, "Records set aside in the current batches", "退回记录数"),
    col("score", FLOAT, "100 less weighted findings per record, never below 0; none without records", "评分"),
    col("completeness", FLOAT, "Core elements that records have, percent; none without records", "著录完整率"),
    col("freshness", FLOAT, "Days from the last good harvest to the build; of a group the most", "距上次采集天数"),
)

QUALITY_SCORE = Table(
    "quality",
    "score",
    "one source's quality as of a build",
    "质量评分",
    (MEMBER, SOURCE_ID, *COUNTED),
    key=("source_id",),
)

QUALITY_RECORD_SCORE = Table(
    "quality",
    "record_score",
    "one current record's quality",
    "记录评分",
    (
        SOURCE_ID,
        RECORD_ID,
        BATCH_ID,
        RECORD_NO,
        col("kind", STRING, "Kind of material, as in staged.bib", "文献类型"),
        col("agency", STRING, "Who catalogued it first (801, 040)", "原始编目机构"),
        col("supplier", STRING, "Who supplied it: its source's quirk, else the last agency", "数据提供者"),
        key("fails", INT, "Findings of severity fail that count", "错误数"),
        key("warns", INT, "Findings of severity warn that count", "警告数"),
        key("waived", INT, "Findings of rules that are waived for its source", "豁免的问题数"),
        key("score", FLOAT, "100 less weighted findings, never below 0", "评分"),
        key("completeness", FLOAT, "Core elements that it has, percent", "著录完整率"),
    ),
    key=("source_id", "record_id"),
)

QUALITY_SCORE_HISTORY = Table(
    "quality",
    "score_history",
    "one group of records, its quality as of one build, and how its peers were",
    "质量评分历史",
    (
        key("build_id", STRING, "Build; sorts by time", "构建号"),
        key("scope", STRING, "source, member, province, regional_centre, agency or supplier", "分组方式"),
        key("name", STRING, "Which one", "名称"),
        *COUNTED,
        key("peer_kind", STRING, "What peers have in common: a member's kind, of a source its format too", "同类"),
        key("peers", BIGINT, "How many of that kind have a score, itself included", "有效同类数"),
        col("median", FLOAT, "Median of their scores", "同类中位数"),
        col("rank", BIGINT, "Its place among them, 1 the best", "名次"),
        col("percentile", FLOAT, "Percent of the others that are not better", "百分位"),
    ),
    key=("build_id", "scope", "name"),
)

QUALITY_DEFECT = Table(
    "quality",
    "defect",
    "one defect of a record, from when it was first seen until it was mended",
    "问题的经过",
    (
        SOURCE_ID,
        key("record_key", STRING, "Identifier of the record; md5: and its digest where none was read", "记录标识"),
        key("rule", STRING, "Rule code (quality/rules)", "规则代码"),
        key("tag", STRING, "Field it speaks of; empty for the whole record", "字段号"),
        key("nth", INT, "Which of several alike in the record, from 1", "同类序号"),
        key("severity", STRING, "fail or warn", "级别"),
        col("value", STRING, "The value found when last seen", "值"),
        BATCH_ID,
        RECORD_NO,
        key("status", STRING, "open, waived, fixed, or withdrawn with its record", "状态"),
        key("first_seen", STRING, "Build in which it was first seen", "首次出现"),
        key("last_seen", STRING, "Build in which it was last seen", "最近出现"),
        col("fixed_at", STRING, "Build in which it was there no more", "解决于"),
    ),
    key=("source_id", "record_key", "rule", "tag", "nth"),
)

QUALITY_GATE = Table(
    "quality",
    "gate",
    "one expectation on one batch summary",
    "质量关口",
    (
        key("build_id", STRING, "Build that was checked", "构建号"),
        key("gate", STRING, "Suite: one source's batch, or the whole build", "关口"),
        key("expectation", STRING, "What was expected", "期望"),
        key("observed", STRING, "What was seen", "实际值"),
        key("success", BOOL, "Whether it held", "是否通过"),
    ),
)

QUALITY_PROFILE = Table(
    "quality",
    "profile",
    "one count of what a batch looks like",
    "批次概貌",
    (
        SOURCE_ID,
        BATCH_ID,
        key("measure", STRING, "What is counted (quality/profile.py)", "统计项"),
        key("about", STRING, "The table, column, tag or code it is counted for", "对象"),
        key("count", BIGINT, "How many", "数目"),
    ),
    key=("source_id", "batch_id", "measure", "about"),
)

QUALITY_BATCH_GATE = Table(
    "quality",
    "batch_gate",
    "one expectation on one batch of a source",
    "批次关口",
    (
        SOURCE_ID,
        BATCH_ID,
        key("name", STRING, "Its name (quality/batch_gates.csv)", "关口代码"),
        key("about", STRING, "The table, column or tags it speaks of; empty for the whole batch", "对象"),
        key("expectation", STRING, "What was expected, in English | Chinese", "期望"),
        col("minimum", FLOAT, "The least that is allowed", "下限"),
        col("maximum", FLOAT, "The most that is allowed", "上限"),
        col("observed", FLOAT, "What was seen", "实际值"),
        key("success", BOOL, "Whether it held", "是否通过"),
        key("advice", STRING, "What to do where it did not, in English | Chinese", "建议"),
    ),
    key=("source_id", "batch_id", "name", "about"),
)

QUALITY_DECISION = Table(
    "quality",
    "decision",
    "one decision on a batch that was held",
    "批次处理决定",
    (
        SOURCE_ID,
        BATCH_ID,
        key("decision", STRING, "accept, reject, or superseded by a later full export", "决定"),
        key("who", STRING, "Who decided", "决定人"),
        key("why", STRING, "The reason", "理由"),
        key("decided_at", TIME, "When", "决定时间"),
    ),
)

QUALITY_WAIVER = Table(
    "quality",
    "waiver",
    "one waiver of a rule for a source; the latest on both counts",
    "规则豁免",
    (
        key("rule", STRING, "Rule whose findings are shown but not counted", "规则代码"),
        SOURCE_ID,
        key("until", DATE, "Last day on which it holds, in Beijing", "有效期至"),
        key("who", STRING, "Who decided", "决定人"),
        key("why", STRING, "The reason", "理由"),
        key("decided_at", TIME, "When", "决定时间"),
        col("in_force", BOOL, "Whether it holds as of the publication; empty in the store", "是否有效"),
    ),
)

QUALITY_METRIC = Table(
    "quality",
    "metric",
    "one metric of the current records of a source in one format; * for all sources",
    "质量指标",
    (
        SOURCE_ID,
        key("format", STRING, "Format of the records", "格式"),
        key(
            "metric",
            STRING,
            "thompson-traill, shelf-ready, serial (mean points), coverage, user-tasks, sharing (shares)",
            "指标：平均得分或比例",
        ),
        key("element", STRING, "Part of the metric; empty for the whole", "指标要素；空为总分"),
        key("records", BIGINT, "Records that it was measured on", "记录数"),
        col("value", FLOAT, "Mean points of a record, or share of records or elements, 0 to 1", "值"),
        col("label_zh", STRING, "Name in Chinese", "中文名称"),
        col("label_en", STRING, "Name in English", "英文名称"),
    ),
    key=("source_id", "format", "metric", "element"),
)

QUALITY_RECORD_METRIC = Table(
    "quality",
    "record_metric",
    "one current record's points by the metrics of quality.metric",
    "记录质量指标",
    (
        SOURCE_ID,
        RECORD_ID,
        BATCH_ID,
        RECORD_NO,
        key("format", STRING, "Format of the record: marc21, cnmarc or unimarc", "格式"),
        col("thompson_traill", FLOAT, "Points of Thompson and Traill", "Thompson–Traill 得分"),
        col(
            "shelf_ready",
            FLOAT,
            "Share of the points for books ready for the shelf; of books only",
            "上架就绪比例",
        ),
        col("serial", FLOAT, "Points of Carlstone; of serials only", "连续出版物得分"),
        col("classified", BOOL, "Whether it has a classification number", "有分类号"),
        col("subject", BOOL, "Whether it has a subject", "有主题"),
        col("controlled_subject", BOOL, "Whether it has a subject from a thesaurus", "有规范主题词"),
        col("authority_link", BOOL, "Whether it has a link to an authority", "有规范记录号"),
    ),
    key=("source_id", "record_id"),
)

QUALITY_COMPLETENESS = Table(
    "quality",
    "completeness",
    "one field or subfield in the current records of a source in one format; * for all sources",
    "字段完备度",
    (
        SOURCE_ID,
        key("format", STRING, "Format of the records", "格式"),
        key("tag", STRING, "Tag, or element name", "字段号"),
        col("code", STRING, "Subfield code; none for the field as a whole", "子字段代码"),
        key("records", BIGINT, "Records that have it", "有此字段的记录数"),
        key("occurrences", BIGINT, "How often it stands in them", "出现次数"),
        key("of_records", BIGINT, "Records of this source and format", "该源该格式的记录总数"),
    ),
)

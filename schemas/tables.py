"""Every table of the exchange, once: layer, name, grain and columns.

The same declarations give the Arrow schema that each writer must match, the comments in the published
DuckDB file, and DATA_DICTIONARY.md.  A new column is added here and in the crosswalk of each format
that has it (`schemas/crosswalks/`), nowhere else.
"""

from dataclasses import dataclass, field

import pyarrow as pa

STRING = pa.string()
STRINGS = pa.list_(pa.string())
INT = pa.int32()
BIGINT = pa.int64()
FLOAT = pa.float64()
BOOL = pa.bool_()
TIME = pa.timestamp("us")  # always UTC; kept without a zone because engines disagree about zones
DATE = pa.date32()
BYTES = pa.binary()


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and what it means, in English and Chinese."""

    name: str
    type: pa.DataType
    english: str
    chinese: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """One table: `layer` is its folder on disk and its DuckDB schema."""

    layer: str
    name: str
    grain: str
    chinese: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())

    @property
    def full_name(self) -> str:
        """The name as analysts write it, for example `catalog.bib`."""
        return f"{self.layer}.{self.name}"

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; required columns are not nullable."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])

    def empty(self) -> pa.Table:
        """A table of this schema with no rows."""
        return self.schema.empty_table()


def _col(name: str, type_: pa.DataType, english: str, chinese: str) -> Column:
    return Column(name, type_, english, chinese)


def _key(name: str, type_: pa.DataType, english: str, chinese: str) -> Column:
    return Column(name, type_, english, chinese, required=True)


SOURCE_ID = _key("source_id", STRING, "Source (one feed of a member) the row came from", "数据源代码")
BATCH_ID = _key("batch_id", STRING, "Harvest that brought it; sorts by time", "采集批次")
RECORD_NO = _key("record_no", INT, "Position of the record in its batch, from 0", "批内记录序号")
RECORD_ID = _key("record_id", STRING, "Identifier of the record at its source", "成员馆记录号")
BIB_ID = _key("bib_id", STRING, "Union catalogue identifier; never reused", "联合目录书目号")
MEMBER = _key("member_code", STRING, "Member library code", "成员馆代码")

# The descriptive columns that a staged record and the golden record share (domain: common columns).
DESCRIPTION = (
    _col("calis_id", STRING, "CALIS control number", "CALIS 控制号"),
    _col("lccn", STRING, "Library of Congress control number, normalised", "美国国会图书馆控制号"),
    _col("oclc", STRING, "OCLC control number, digits only", "OCLC 控制号"),
    _col("isbn", STRINGS, "Valid ISBNs as 13 digits", "国际标准书号（13 位）"),
    _col("bad_isbn", STRINGS, "ISBNs as given that fail their check or were cancelled", "无效书号"),
    _col("binding", STRING, "Binding or qualifier of the first ISBN", "装帧"),
    _col("price", STRING, "Price as given", "定价"),
    _col("issn", STRINGS, "Valid ISSNs as NNNN-NNNN", "国际标准刊号"),
    _col("bad_issn", STRINGS, "ISSNs as given that fail their check or were cancelled", "无效刊号"),
    _col("ubsn", STRING, "Chinese book number before 1987 (统一书号)", "统一书号"),
    _col("order_no", STRING, "Order number", "订购号"),
    _col("standard_no", STRINGS, "Other standard numbers (DOI and others)", "其他标准号"),
    _col("lang", STRING, "Language code (ISO 639-2/B) of the text", "语种"),
    _col("orig_lang", STRING, "Language of the original, for a translation", "原著语种"),
    _col("country", STRING, "Country of publication as coded", "出版国"),
    _col("region", STRING, "Region of publication as coded (GB/T 2260)", "出版地区"),
    _col("title", STRING, "Title proper, in the script of the item where given", "正题名"),
    _col("subtitle", STRING, "Other title information", "副题名"),
    _col("parallel_title", STRING, "Parallel title", "并列题名"),
    _col("gmd", STRING, "General material designation", "一般资料标识"),
    _col("volume_no", STRING, "Number of part or volume", "分卷（册）号"),
    _col("volume_title", STRING, "Name of part or volume", "分卷（册）题名"),
    _col("resp_first", STRING, "First statement of responsibility", "第一责任说明"),
    _col("resp_other", STRING, "Other statements of responsibility", "其他责任说明"),
    _col("title_pinyin", STRING, "Romanised title; never used for matching", "题名拼音"),
    _col("edition", STRING, "Edition statement", "版本说明"),
    _col("pub_place", STRING, "Place of publication", "出版地"),
    _col("publisher", STRING, "Publisher", "出版者"),
    _col("pub_year", INT, "Year of publication", "出版年"),
    _col("coded_year", INT, "Year in the coded field (MARC 21 008/07-10, CNMARC 100$a/9-12)", "编码出版年"),
    _col("extent", STRING, "Extent as given (pages, volumes)", "页数或卷册数"),
    _col("size", STRING, "Size as given", "尺寸"),
    _col("series", STRINGS, "Series statements", "丛编"),
    _col("notes", STRINGS, "Notes", "附注"),
    _col("abstract", STRING, "Summary", "提要"),
    _col("thesis_note", STRING, "Thesis note", "学位论文附注"),
    _col("subjects", STRINGS, "Subject headings, subdivisions joined by --", "主题"),
    _col("clc", STRINGS, "Chinese Library Classification numbers", "中图分类号"),
    _col("clc_ed", STRING, "Edition of the CLC used", "中图法版次"),
    _col("lcas", STRINGS, "Classification of the Library of the Chinese Academy of Sciences", "科图分类号"),
    _col("lcc", STRINGS, "Library of Congress Classification numbers", "美国国会图书馆分类号"),
    _col("ddc", STRINGS, "Dewey Decimal Classification numbers", "杜威分类号"),
    _col("creators", STRINGS, "Persons and bodies responsible, main entry first", "责任者"),
    _col("orcid", STRINGS, "Valid ORCID iDs of persons responsible, as NNNN-NNNN-NNNN-NNNC", "责任者 ORCID 标识"),
    _col(
        "bad_orcid",
        STRINGS,
        "ORCID iDs as given that fail their check or lie outside ORCID's numbers",
        "无效 ORCID",
    ),
    _col("agency_chain", STRINGS, "Cataloguing agencies, original first", "编目机构"),
    _col("url", STRINGS, "Electronic addresses", "电子地址"),
    _col("other_carrier", STRINGS, "Identifiers or titles of the same work on another carrier", "其他载体"),
    _col(
        "kind",
        STRING,
        "book, serial, article, thesis, map, score, audio, video, image, software, mixed",
        "文献类型",
    ),
    _col("carrier", STRING, "print, electronic, microform, braille or other", "载体"),
)

MATCH_KEYS = (
    _col(
        "title_key",
        STRING,
        "Title folded for comparison: NFKC, simplified script, no punctuation or space",
        "题名匹配键",
    ),
    _col("full_title_key", STRING, "Title with part title and subtitle, folded", "题名、分卷题名及副题名匹配键"),
    _col(
        "volume_key",
        STRING,
        "Volume number folded: digits where it has any; without a number the part title folded",
        "分卷匹配键",
    ),
    _col("edition_key", STRING, "Edition number; 1 where absent or first", "版次匹配键"),
    _col("creator_key", STRING, "First creator folded, without dates or roles", "责任者匹配键"),
    _col("creators_key", STRINGS, "All creators folded, first one first", "全部责任者匹配键"),
    _col("publisher_key", STRING, "Publisher folded", "出版者匹配键"),
    _col("place_key", STRING, "Place of publication folded", "出版地匹配键"),
    _col("pages", INT, "Largest page count of the extent", "页数"),
)

RAW_FILE = Table(
    "raw",
    "file",
    "one file or page as received",
    "原始文件",
    (
        SOURCE_ID,
        BATCH_ID,
        _key("file", STRING, "Name within the batch, without the .zst that it is kept under", "文件名"),
        _key("request", STRING, "What was asked: an address without credentials, or a file name", "请求"),
        _key("landed_at", TIME, "When it was kept", "落地时间"),
        _key("sha256", STRING, "Digest of the bytes as received", "摘要"),
        _key("bytes", BIGINT, "Size as received", "字节数"),
        _key("received", BIGINT, "Records counted on the bytes, apart from any parser", "收到记录数"),
    ),
    key=("source_id", "batch_id", "file"),
)

STAGED_RECORD = Table(
    "staged",
    "record",
    "one record of a source, as of a batch",
    "记录状态",
    (
        SOURCE_ID,
        RECORD_ID,
        _key("batch_id", STRING, "Batch that holds its current version", "当前版本批次"),
        _key("record_no", INT, "Its position in that batch", "批内记录序号"),
        _key("digest", pa.uint64(), "Digest of its content: equal means unchanged", "内容摘要"),
        _key("deleted", BOOL, "The source has withdrawn it", "是否已删除"),
    ),
    key=("source_id", "record_id"),
)

STAGED_FIELD = Table(
    "staged",
    "field",
    "one subfield (or control field) of a record, in order",
    "字段",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        RECORD_ID,
        _key("field_no", INT, "Position of the field in the record, from 0; the leader is field 0", "字段序号"),
        _key("tag", STRING, "Tag, or element name; LDR for the leader", "字段号"),
        _col("ind1", STRING, "First indicator", "指示符一"),
        _col("ind2", STRING, "Second indicator", "指示符二"),
        _key("subfield_no", INT, "Position of the subfield in its field, from 0", "子字段序号"),
        _col("code", STRING, "Subfield code; none for a control field", "子字段代码"),
        _key("value", STRING, "Text as decoded, otherwise unchanged", "值"),
    ),
    key=("source_id", "batch_id", "record_no", "field_no", "subfield_no"),
)

STAGED_BIB = Table(
    "staged",
    "bib",
    "one version of a member's bibliographic record",
    "成员馆书目记录",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        RECORD_ID,
        _col("control_number", STRING, "Control number in the record (001)", "控制号"),
        _col("updated_at", STRING, "Date and time of the last change, as the record says (005)", "更新时间"),
        _key("file", STRING, "Raw file it came from", "原始文件"),
        _key("byte_offset", BIGINT, "Where its bytes begin in that file", "字节位置"),
        _key("format", STRING, "marc21, cnmarc, unimarc, oai_dc …: the crosswalk used", "格式"),
        _key("charset", STRING, "Encoding found in the bytes", "编码"),
        _key("status", STRING, "clean, mended or doubtful", "记录状态"),
        _key("level", STRING, "Encoding level; blank is full", "编目级别"),
        _col(
            "agency_steps",
            STRINGS,
            "What each agency did and when (801), original first",
            "编目机构经过与日期（801）",
        ),
        *DESCRIPTION,
        *MATCH_KEYS,
    ),
    key=("source_id", "batch_id", "record_no"),
)

STAGED_HOLDING = Table(
    "staged",
    "holding",
    "one holding statement of a member record",
    "馆藏",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        RECORD_ID,
        _key("holding_no", INT, "Position within the record, from 0", "馆藏序号"),
        _col("institution", STRING, "Institution as given in the field", "收藏单位"),
        _col("location", STRING, "Location or collection", "馆藏地"),
        _col("call_number", STRING, "Call number", "索书号"),
        _col("coverage", STRING, "Volumes and years held", "年卷"),
        _col("copies", INT, "Number of copies, where stated", "复本数"),
    ),
    key=("source_id", "batch_id", "record_no", "holding_no"),
)

STAGED_ITEM = Table(
    "staged",
    "item",
    "one physical item of a member record",
    "单册",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        RECORD_ID,
        _key("item_no", INT, "Position within the record, from 0", "单册序号"),
        _col("barcode", STRING, "Barcode", "条码号"),
        _col("location", STRING, "Location", "馆藏地"),
        _col("call_number", STRING, "Call number", "索书号"),
        _col("price", STRING, "Price as given", "价格"),
        _col("item_status", STRING, "Status as given", "状态"),
    ),
    key=("source_id", "batch_id", "record_no", "item_no"),
)

STAGED_REJECTED = Table(
    "staged",
    "rejected",
    "one record set aside, with its bytes",
    "退回记录",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        _col("record_id", STRING, "Identifier, where one could be read", "记录号"),
        _key("file", STRING, "Raw file it came from", "原始文件"),
        _key("byte_offset", BIGINT, "Where its bytes begin in that file", "字节位置"),
        _key("rule", STRING, "Rule that set it aside", "规则"),
        _key("reason", STRING, "What was wrong, and where", "原因"),
        _key("advice", STRING, "What to do", "建议"),
        _key("content", BYTES, "The record as received", "原始内容"),
    ),
    key=("source_id", "batch_id", "record_no"),
)

STAGED_LOAN = Table(
    "staged",
    "loan",
    "one circulation event",
    "流通记录",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        _key("event_id", STRING, "Event identifier at the source", "事件号"),
        _key("event_type", STRING, "loan, renew or return", "事件类型"),
        _key("event_time", TIME, "When it happened", "发生时间"),
        _key("barcode", STRING, "Barcode of the item", "条码号"),
        _col("reader_type", STRING, "Group of the reader; readers themselves are never kept", "读者类型"),
    ),
    key=("source_id", "event_id"),
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
        _col("record_id", STRING, "Identifier of the record, where one could be read", "记录号"),
        _key("rule", STRING, "Rule code (quality/rules)", "规则代码"),
        _key("severity", STRING, "fail or warn", "级别"),
        _col("tag", STRING, "Field it speaks of", "字段号"),
        _col("value", STRING, "The value found", "值"),
    ),
)

QUALITY_OUTCOME = Table(
    "quality",
    "outcome",
    "what one stage did with one batch of one source",
    "阶段结果",
    (
        _key("stage", STRING, "harvest, stage, catalog, publish or report", "阶段"),
        _key("source_id", STRING, "Source; * for a stage over all sources", "数据源代码"),
        _key("batch_id", STRING, "Batch or build", "批次"),
        _key("run_id", STRING, "Run that last did it", "运行号"),
        _key("started_at", TIME, "Begin", "开始"),
        _key("ended_at", TIME, "End", "结束"),
        _key("verdict", STRING, "complete, partial, unchanged, held or failed", "结论"),
        _key("received", BIGINT, "Records that came in", "收到"),
        _key("staged", BIGINT, "Records passed on to the next layer", "入库"),
        _key("rejected", BIGINT, "Records set aside with a reason", "退回"),
        _key("deleted", BIGINT, "Deletions received", "删除"),
        _key("unchanged", BIGINT, "Records equal to what was there", "未变"),
        _key("reason", STRING, "Why it is not complete, and what to do; empty when it is", "原因"),
    ),
    key=("stage", "source_id", "batch_id"),
)

QUALITY_SCORE = Table(
    "quality",
    "score",
    "one source's quality as of a build",
    "质量评分",
    (
        MEMBER,
        SOURCE_ID,
        _key("records", BIGINT, "Current records", "现有记录数"),
        _key("with_issue", BIGINT, "Records with at least one finding", "有问题记录数"),
        _key("fails", BIGINT, "Findings of severity fail", "错误数"),
        _key("warns", BIGINT, "Findings of severity warn", "警告数"),
        _key("rejected", BIGINT, "Records set aside in the current batches", "退回记录数"),
        _col("score", FLOAT, "100 less weighted findings per record, never below 0; none without records", "评分"),
    ),
    key=("source_id",),
)

QUALITY_GATE = Table(
    "quality",
    "gate",
    "one expectation on one batch summary",
    "质量关口",
    (
        _key("build_id", STRING, "Build that was checked", "构建号"),
        _key("gate", STRING, "Suite: one source's batch, or the whole build", "关口"),
        _key("expectation", STRING, "What was expected", "期望"),
        _key("observed", STRING, "What was seen", "实际值"),
        _key("success", BOOL, "Whether it held", "是否通过"),
    ),
)

CATALOG_BIB = Table(
    "catalog",
    "bib",
    "one bibliographic entity of the union",
    "联合目录书目",
    (
        BIB_ID,
        _key("records", INT, "Member records joined", "成员记录数"),
        _key("members", INT, "Members that hold it", "收藏馆数"),
        *DESCRIPTION,
    ),
    key=("bib_id",),
)

CATALOG_BIB_RECORD = Table(
    "catalog",
    "bib_record",
    "which member record belongs to which bib",
    "归并关系",
    (
        BIB_ID,
        SOURCE_ID,
        RECORD_ID,
        _key("batch_id", STRING, "Version used", "版本批次"),
        _key("record_no", INT, "Its position in that batch", "批内记录序号"),
    ),
    key=("source_id", "record_id"),
)

RECORD_PAIR = (
    _key("left_source_id", STRING, "Source of the first record", "数据源一"),
    _key("left_record_id", STRING, "First record", "记录一"),
    _key("right_source_id", STRING, "Source of the second record", "数据源二"),
    _key("right_record_id", STRING, "Second record", "记录二"),
)

CATALOG_MATCH = Table(
    "catalog",
    "match",
    "one compared pair of record groups",
    "匹配对",
    (
        *RECORD_PAIR,
        _key("score", FLOAT, "Sum of the evidence, 0 to 1", "得分"),
        _key("rule", STRING, "Strongest evidence, the veto, or the judgement", "规则"),
        _key("decision", STRING, "match, review or separate", "结论"),
    ),
)

SHOWN = pa.struct([pa.field(name, STRING) for name in ("name", "left", "right")])
WEIGHED = pa.struct(
    [
        *(pa.field(name, STRING) for name in ("name", "left", "right", "level")),
        pa.field("weight", FLOAT),
        *(pa.field(name, STRING) for name in ("english", "chinese")),
    ]
)

CATALOG_REVIEW = Table(
    "catalog",
    "review",
    "one doubtful pair of bibs, by the pair of records that is nearest to a decision; most useful first",
    "待审核匹配对",
    (
        *RECORD_PAIR,
        _key("left_bib_id", STRING, "Bib of the first record", "书目一"),
        _key("right_bib_id", STRING, "Bib of the second record", "书目二"),
        _key("left_members", INT, "Members that hold the first bib", "书目一收藏馆数"),
        _key("right_members", INT, "Members that hold the second bib", "书目二收藏馆数"),
        _key("score", FLOAT, "Sum of the evidence, 0 to 1", "得分"),
        _key("rule", STRING, "Strongest evidence, or what refused the match", "规则"),
        _key("usefulness", FLOAT, "(1 - distance of the score from the threshold) × members of both", "审核价值"),
        _col("fields", pa.list_(SHOWN), "Both records as text; only of the most useful pairs", "对照字段"),
        _col("evidence", pa.list_(WEIGHED), "The score card by line; only of the most useful pairs", "评分明细"),
    ),
)

CATALOG_JUDGEMENT = Table(
    "catalog",
    "judgement",
    "one decision of a person on two records; the latest on a pair counts, earlier ones stay as history",
    "人工判定",
    (
        *RECORD_PAIR,
        _key("verdict", STRING, "must_join or must_not_join", "判定：必须合并或不得合并"),
        _key("who", STRING, "Who decided", "判定人"),
        _key("judged_at", TIME, "When it was decided", "判定时间"),
        _key("why", STRING, "The reason given", "理由"),
        _key("recorded_at", TIME, "When it was taken in; later ones count where judged_at is equal", "录入时间"),
        _col(
            "effect",
            STRING,
            "What it did in this build: in_force, replaced (by a later one on the pair), dormant (a record is not "
            "there), left_out (contradicts a must_not_join)",
            "在本次构建中的效力：生效、被后来判定取代、休眠（记录不存在）、因矛盾未用",
        ),
    ),
)

CATALOG_LINEAGE = Table(
    "catalog",
    "lineage",
    "one change of identity of a bib",
    "书目沿革",
    (
        _key("build_id", STRING, "Build in which it happened", "构建号"),
        _key("event", STRING, "merge (into), split (from), retire, or return (of a retired bib)", "事件"),
        BIB_ID,
        _col("other_bib_id", STRING, "The bib it went into or came from", "相关书目号"),
    ),
)

CATALOG_REDIRECT = Table(
    "catalog",
    "redirect",
    "one identifier that a bib ever had",
    "书目号去向",
    (
        BIB_ID,
        _key("status", STRING, "living, merged or retired", "状态"),
        _col("living_bib_id", STRING, "The living bib that it means today; none where retired", "现行书目号"),
        _col("build_id", STRING, "Build in which it was merged or retired; none for a living bib", "变更构建号"),
    ),
    key=("bib_id",),
)

CATALOG_FORMER_RECORD = Table(
    "catalog",
    "former_record",
    "one member record that has left the union, and the bib it was last in",
    "已退出的成员记录",
    (SOURCE_ID, RECORD_ID, BIB_ID, _key("build_id", STRING, "First build without it", "退出构建号")),
    key=("source_id", "record_id"),
)

CATALOG_VERSION = Table(
    "catalog",
    "version",
    "one bib as of the build that last changed it",
    "书目版本",
    (
        BIB_ID,
        _key("digest", pa.uint64(), "Digest of its records, holdings, items and links", "内容摘要"),
        _col("came_build", STRING, "Build in which it came; none: the first of the lake", "首次出现的构建号"),
        _col(
            "changed_build", STRING, "Build that last changed it; none: the first of the lake", "最近变更的构建号"
        ),
    ),
    key=("bib_id",),
)

CATALOG_LINK = Table(
    "catalog",
    "link",
    "one bib seen from another with which it is linked, never merged",
    "书目关联",
    (
        BIB_ID,
        _key("other_bib_id", STRING, "The linked bib; its own row points back", "关联书目号"),
        _key(
            "relation", STRING, "carrier: the same work on another carrier", "关系：carrier 为同一作品的其他载体"
        ),
        _key("evidence", STRING, "identifier (776, 452 name it) or match (all but the carrier agrees)", "依据"),
        _col("score", FLOAT, "Score of the pair, where it was compared", "得分"),
    ),
    key=("bib_id", "other_bib_id", "relation"),
)

CATALOG_PROVENANCE = Table(
    "catalog",
    "provenance",
    "which record gave a value of a bib",
    "字段来源",
    (
        BIB_ID,
        _key("column_name", STRING, "Column of catalog.bib", "列名"),
        _key("value_no", INT, "Place of the value in a repeated column, from 0; 0 for a single value", "值序号"),
        SOURCE_ID,
        RECORD_ID,
    ),
    key=("bib_id", "column_name", "value_no"),
)

CATALOG_HOLDING = Table(
    "catalog",
    "holding",
    "one holding of one member",
    "联合馆藏",
    (BIB_ID, MEMBER, *(c for c in STAGED_HOLDING.columns if c.name not in ("batch_id", "record_no"))),
    key=("source_id", "record_id", "holding_no"),
)

CATALOG_ITEM = Table(
    "catalog",
    "item",
    "one item of one member",
    "联合单册",
    (BIB_ID, MEMBER, *(c for c in STAGED_ITEM.columns if c.name not in ("batch_id", "record_no"))),
    key=("source_id", "record_id", "item_no"),
)

CATALOG_MEMBER = Table(
    "catalog",
    "member",
    "one member, as of a period",
    "成员馆",
    (
        MEMBER,
        _key("name_zh", STRING, "Name in Chinese", "中文名称"),
        _key("name_en", STRING, "Name in English", "英文名称"),
        _col("moe_code", STRING, "Code of the institution at the Ministry of Education", "教育部学校标识码"),
        _key("kind", STRING, "undergraduate, vocational, research, public or other", "类型"),
        _key("province", STRING, "Province (GB/T 2260, two digits)", "省份代码"),
        _col("regional_centre", STRING, "Regional centre it belongs to", "地区中心"),
        _key("valid_from", DATE, "First day this row holds", "生效日期"),
        _col("valid_to", DATE, "Last day this row holds; none while it does", "失效日期"),
    ),
    key=("member_code", "valid_from"),
)

CATALOG_LOAN = Table(
    "catalog",
    "loan",
    "one circulation event, joined to its item where one is known",
    "流通",
    (
        MEMBER,
        SOURCE_ID,
        _key("event_id", STRING, "Event identifier at the source", "事件号"),
        _key("event_type", STRING, "loan, renew or return", "事件类型"),
        _key("event_time", TIME, "When it happened", "发生时间"),
        _key("barcode", STRING, "Barcode of the item", "条码号"),
        _col("reader_type", STRING, "Group of the reader", "读者类型"),
        _col("bib_id", STRING, "Bib of the item; none for an orphan", "书目号"),
    ),
    key=("source_id", "event_id"),
)

TABLES = (
    RAW_FILE,
    STAGED_RECORD,
    STAGED_FIELD,
    STAGED_BIB,
    STAGED_HOLDING,
    STAGED_ITEM,
    STAGED_REJECTED,
    STAGED_LOAN,
    CATALOG_BIB,
    CATALOG_BIB_RECORD,
    CATALOG_MATCH,
    CATALOG_REVIEW,
    CATALOG_JUDGEMENT,
    CATALOG_LINEAGE,
    CATALOG_REDIRECT,
    CATALOG_FORMER_RECORD,
    CATALOG_VERSION,
    CATALOG_LINK,
    CATALOG_PROVENANCE,
    CATALOG_HOLDING,
    CATALOG_ITEM,
    CATALOG_MEMBER,
    CATALOG_LOAN,
    QUALITY_OUTCOME,
    QUALITY_ISSUE,
    QUALITY_SCORE,
    QUALITY_GATE,
)
BY_NAME = {table.full_name: table for table in TABLES}

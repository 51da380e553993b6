"""Tables of the union catalogue."""

import pyarrow as pa

from schemas.columns import (
    BIB_ID,
    DATE,
    DESCRIPTION,
    FLOAT,
    INT,
    MEMBER,
    RECORD_ID,
    SOURCE_ID,
    STRING,
    STRINGS,
    TIME,
    Table,
    col,
    key,
)
from schemas.staged import STAGED_HOLDING, STAGED_ITEM

CATALOG_BIB = Table(
    "catalog",
    "bib",
    "one bibliographic entity of the union",
    "联合目录书目",
    (
        BIB_ID,
        key("records", INT, "Member records joined", "成员记录数"),
        key("members", INT, "Members that hold it", "收藏馆数"),
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
        key("batch_id", STRING, "Version used", "版本批次"),
        key("record_no", INT, "Its position in that batch", "批内记录序号"),
    ),
    key=("source_id", "record_id"),
)

RECORD_PAIR = (
    key("left_source_id", STRING, "Source of the first record", "数据源一"),
    key("left_record_id", STRING, "First record", "记录一"),
    key("right_source_id", STRING, "Source of the second record", "数据源二"),
    key("right_record_id", STRING, "Second record", "记录二"),
)

CATALOG_MATCH = Table(
    "catalog",
    "match",
    "one compared pair of record groups that was not plainly separate",
    "匹配对",
    (
        *RECORD_PAIR,
        key("score", FLOAT, "Sum of the evidence, 0 to 1", "得分"),
        key("rule", STRING, "Strongest evidence, the veto, or the judgement", "规则"),
        key("decision", STRING, "match, review or separate", "结论"),
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
        key("left_bib_id", STRING, "Bib of the first record", "书目一"),
        key("right_bib_id", STRING, "Bib of the second record", "书目二"),
        key("left_members", INT, "Members that hold the first bib", "书目一收藏馆数"),
        key("right_members", INT, "Members that hold the second bib", "书目二收藏馆数"),
        key("score", FLOAT, "Sum of the evidence, 0 to 1", "得分"),
        key("rule", STRING, "Strongest evidence, or what refused the match", "规则"),
        key("usefulness", FLOAT, "(1 - distance of the score from the threshold) × members of both", "审核价值"),
        col("fields", pa.list_(SHOWN), "Both records as text; only of the most useful pairs", "对照字段"),
        col("evidence", pa.list_(WEIGHED), "The score card by line; only of the most useful pairs", "评分明细"),
    ),
)

CATALOG_JUDGEMENT = Table(
    "catalog",
    "judgement",
    "one decision of a person on two records; the latest on a pair counts, earlier ones stay as history",
    "人工判定",
    (
        *RECORD_PAIR,
        key("verdict", STRING, "must_join or must_not_join", "判定：必须合并或不得合并"),
        key("who", STRING, "Who decided", "判定人"),
        key("judged_at", TIME, "When it was decided", "判定时间"),
        key("why", STRING, "The reason given", "理由"),
        key("recorded_at", TIME, "When it was taken in; later ones count where judged_at is equal", "录入时间"),
        col(
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
        key("build_id", STRING, "Build in which it happened", "构建号"),
        key("event", STRING, "merge (into), split (from), retire, or return (of a retired bib)", "事件"),
        BIB_ID,
        col("other_bib_id", STRING, "The bib it went into or came from", "相关书目号"),
    ),
)

CATALOG_REDIRECT = Table(
    "catalog",
    "redirect",
    "one identifier that a bib ever had",
    "书目号去向",
    (
        BIB_ID,
        key("status", STRING, "living, merged or retired", "状态"),
        col("living_bib_id", STRING, "The living bib that it means today; none where retired", "现行书目号"),
        col("build_id", STRING, "Build in which it was merged or retired; none for a living bib", "变更构建号"),
    ),
    key=("bib_id",),
)

CATALOG_FORMER_RECORD = Table(
    "catalog",
    "former_record",
    "one member record that has left the union, and the bib it was last in",
    "已退出的成员记录",
    (SOURCE_ID, RECORD_ID, BIB_ID, key("build_id", STRING, "First build without it", "退出构建号")),
    key=("source_id", "record_id"),
)

CATALOG_VERSION = Table(
    "catalog",
    "version",
    "one bib as of the build that last changed it",
    "书目版本",
    (
        BIB_ID,
        key("digest", pa.uint64(), "Digest of its records, holdings, items and links", "内容摘要"),
        col("came_build", STRING, "Build in which it came; none: the first of the lake", "首次出现的构建号"),
        col(
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
        key("other_bib_id", STRING, "The linked bib; its own row points back", "关联书目号"),
        key("relation", STRING, "carrier: the same work on another carrier", "关系：carrier 为同一作品的其他载体"),
        key("evidence", STRING, "identifier (776, 452 name it) or match (all but the carrier agrees)", "依据"),
        col("score", FLOAT, "Score of the pair, where it was compared", "得分"),
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
        key("column_name", STRING, "Column of catalog.bib", "列名"),
        key("value_no", INT, "Place of the value in a repeated column, from 0; 0 for a single value", "值序号"),
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
        key("name_zh", STRING, "Name in Chinese", "中文名称"),
        key("name_en", STRING, "Name in English", "英文名称"),
        col("moe_code", STRING, "Code of the institution at the Ministry of Education", "教育部学校标识码"),
        key("kind", STRING, "undergraduate, vocational, research, public or other", "类型"),
        key("province", STRING, "Province (GB/T 2260, two digits)", "省份代码"),
        col("regional_centre", STRING, "Regional centre it belongs to, by code or name", "地区中心（代码或名称）"),
        col(
            "centres",
            STRINGS,
            "National centres and domains it takes part in, by code",
            "所属全国中心与领域（代码）",
        ),
        key("valid_from", DATE, "First day this row holds", "生效日期"),
        col("valid_to", DATE, "Last day this row holds; none while it does", "失效日期"),
    ),
    key=("member_code", "valid_from"),
)

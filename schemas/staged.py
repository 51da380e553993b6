"""Tables of raw files and of staged records."""

import pyarrow as pa

from schemas.columns import (
    BATCH_ID,
    BIGINT,
    BOOL,
    BYTES,
    DESCRIPTION,
    INT,
    MATCH_KEYS,
    RECORD_ID,
    RECORD_NO,
    SOURCE_ID,
    STRING,
    STRINGS,
    TIME,
    Table,
    col,
    key,
)

RAW_FILE = Table(
    "raw",
    "file",
    "one file or page as received",
    "原始文件",
    (
        SOURCE_ID,
        BATCH_ID,
        key("file", STRING, "Name within the batch; a file is kept under it with .zst", "文件名"),
        key("request", STRING, "What was asked: an address without credentials, or a file name", "请求"),
        key("landed_at", TIME, "When it was kept", "落地时间"),
        key("sha256", STRING, "Digest of the bytes as received", "摘要"),
        key("bytes", BIGINT, "Size as received", "字节数"),
        key("received", BIGINT, "Records counted on the bytes, apart from any parser", "收到记录数"),
        col("position", BIGINT, "Of a page, the byte of pages.zst where it begins", "页面位置"),
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
        key("batch_id", STRING, "Batch that holds its current version", "当前版本批次"),
        key("record_no", INT, "Its position in that batch", "批内记录序号"),
        key("digest", pa.uint64(), "Digest of its content: equal means unchanged", "内容摘要"),
        key("deleted", BOOL, "The source has withdrawn it", "是否已删除"),
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
        key("field_no", INT, "Position of the field in the record, from 0; the leader is field 0", "字段序号"),
        key("tag", STRING, "Tag, or element name; LDR for the leader", "字段号"),
        col("ind1", STRING, "First indicator", "指示符一"),
        col("ind2", STRING, "Second indicator", "指示符二"),
        key("subfield_no", INT, "Position of the subfield in its field, from 0", "子字段序号"),
        col("code", STRING, "Subfield code; none for a control field", "子字段代码"),
        key("value", STRING, "Text as decoded, otherwise unchanged", "值"),
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
        col("control_number", STRING, "Control number in the record (001)", "控制号"),
        col("updated_at", STRING, "Date and time of the last change, as the record says (005)", "更新时间"),
        key("file", STRING, "Raw file it came from", "原始文件"),
        key("byte_offset", BIGINT, "Where its bytes begin in that file", "字节位置"),
        key("format", STRING, "marc21, cnmarc, unimarc, oai_dc …: the crosswalk used", "格式"),
        key("charset", STRING, "Encoding found in the bytes", "编码"),
        key("status", STRING, "clean, mended or doubtful", "记录状态"),
        key("level", STRING, "Encoding level; blank is full", "编目级别"),
        col(
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
        key("holding_no", INT, "Position within the record, from 0", "馆藏序号"),
        col("institution", STRING, "Institution as given in the field", "收藏单位"),
        col("location", STRING, "Location or collection", "馆藏地"),
        col("call_number", STRING, "Call number", "索书号"),
        col("coverage", STRING, "Volumes and years held", "年卷"),
        col("copies", INT, "Number of copies, where stated", "复本数"),
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
        key("item_no", INT, "Position within the record, from 0", "单册序号"),
        col("barcode", STRING, "Barcode", "条码号"),
        col("location", STRING, "Location", "馆藏地"),
        col("call_number", STRING, "Call number", "索书号"),
        col("price", STRING, "Price as given", "价格"),
        col("item_status", STRING, "Status as given", "状态"),
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
        col("record_id", STRING, "Identifier, where one could be read", "记录号"),
        key("file", STRING, "Raw file it came from", "原始文件"),
        key("byte_offset", BIGINT, "Where its bytes begin in that file", "字节位置"),
        key("rule", STRING, "Rule that set it aside", "规则"),
        key("reason", STRING, "What was wrong, and where", "原因"),
        key("advice", STRING, "What to do", "建议"),
        key("content", BYTES, "The record as received", "原始内容"),
    ),
    key=("source_id", "batch_id", "record_no"),
)

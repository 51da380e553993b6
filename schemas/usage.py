"""Tables of usage: what libraries report about loans."""

from schemas.columns import BATCH_ID, MEMBER, RECORD_NO, SOURCE_ID, STRING, TIME, Table, col, key

STAGED_LOAN = Table(
    "staged",
    "loan",
    "one circulation event",
    "流通记录",
    (
        SOURCE_ID,
        BATCH_ID,
        RECORD_NO,
        key("event_id", STRING, "Event identifier at the source", "事件号"),
        key("event_type", STRING, "loan, renew or return", "事件类型"),
        key("event_time", TIME, "When it happened", "发生时间"),
        key("barcode", STRING, "Barcode of the item", "条码号"),
        col("reader_type", STRING, "Group of the reader; readers themselves are never kept", "读者类型"),
    ),
    key=("source_id", "event_id"),
)

CATALOG_LOAN = Table(
    "catalog",
    "loan",
    "one circulation event, joined to its item where one is known",
    "流通",
    (
        MEMBER,
        SOURCE_ID,
        key("event_id", STRING, "Event identifier at the source", "事件号"),
        key("event_type", STRING, "loan, renew or return", "事件类型"),
        key("event_time", TIME, "When it happened", "发生时间"),
        key("barcode", STRING, "Barcode of the item", "条码号"),
        col("reader_type", STRING, "Group of the reader", "读者类型"),
        col("bib_id", STRING, "Bib of the item; none for an orphan", "书目号"),
    ),
    key=("source_id", "event_id"),
)

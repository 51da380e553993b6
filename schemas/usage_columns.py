"""What the tables of usage share: their columns, and how a staged table and the fact made from it go together."""

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from schemas.columns import (
    BATCH_ID,
    BIGINT,
    BOOL,
    DATE,
    INT,
    MEMBER,
    RECORD_NO,
    SOURCE_ID,
    STRING,
    STRINGS,
    Column,
    Table,
    col,
    key,
    private,
)

ROW_KEY = key("row_key", pa.uint64(), "Digest of what identifies the row at its source", "事件标识摘要")
STAGED_USAGE = (
    SOURCE_ID,
    BATCH_ID,
    RECORD_NO,
    key("row_no", INT, "Row of its file that it came from, counted from 1", "文件内行号"),
    ROW_KEY,
    key("digest", pa.uint64(), "Digest of what the row says: equal means unchanged", "内容摘要"),
    col("tenant", STRING, "Member the row speaks of, where the file names one", "所属成员馆（文件注明时）"),
)
READER = (
    col("reader_type", STRING, "Kind of reader, as the library calls it", "读者类型（本馆名称）"),
    col(
        "reader_group",
        STRING,
        "undergraduate, postgraduate, student (either of them), teacher, staff, external or other",
        "读者群体：本科生、研究生、学生（未分）、教师、职工、校外、其他",
    ),
    col("department", STRING, "Department or school of the reader", "院系"),
)
_SHARED = ("; published where 5 readers or more of the member share what is said", "（发布时少于 5 人者为空）")
OF_READER = tuple(
    replace(column, english=column.english + _SHARED[0], chinese=column.chinese + _SHARED[1]) for column in READER
)
READER_KEY = private("reader_key", BIGINT, "Pseudonym of the reader; not comparable between members", "读者假名")
BIB_OF = col("bib_id", STRING, "Bib that it belongs to; none for an orphan", "书目号（无法对应时为空）")
MONTH = key("month", DATE, "First day of the month", "月份（首日）")
CURRENCY = col("currency", STRING, "Currency (ISO 4217)", "币种")
IDENTIFIERS = (
    col("isbn", STRING, "ISBN as 13 digits, where valid", "国际标准书号（13 位）"),
    col("issn", STRING, "ISSN as NNNN-NNNN, where valid", "国际标准刊号"),
    col("doi", STRING, "DOI in lower case, without a resolver", "数字对象标识（DOI）"),
)
BAD_IDS = col(
    "bad_ids", STRINGS, "ISBNs and ISSNs as given that fail their check, as ISBN:…, sorted", "无效标识（原样）"
)
ISBN_MENDED = key(
    "isbn_mended",
    BOOL,
    "The ISBN came as 9.78750372790E+12 from a spreadsheet; its check digit was worked out",
    "书号校验位为推算（由科学计数法还原）",
)


def fact(
    name: str,
    grain: str,
    chinese: str,
    columns: Iterable[Column],
    facts: Iterable[Column],
    identity: Column | None = None,
) -> tuple[Table, Table]:
    """A staged table and the fact made from it.

    `facts` are columns that only the fact has.  `identity` is the column that names a row at its source, where
    there is one of its own and the digest of it would be a second.
    """
    columns, facts = tuple(columns), tuple(facts)
    first = () if identity else (ROW_KEY,)
    key = ("source_id", (identity or ROW_KEY).name)
    return (
        Table("staged", name, grain, chinese, (*STAGED_USAGE, *columns), ("source_id", "batch_id", "record_no")),
        Table("catalog", name, grain, chinese, (MEMBER, SOURCE_ID, *first, *columns, *facts), key),
    )

"""What every table is made of: columns and tables as types, and the columns that several tables share."""

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
    """One column: its Arrow type and what it means, in English and Chinese.

    A `private` column is in the lake only: what is published leaves it out.
    """

    name: str
    type: pa.DataType
    english: str
    chinese: str
    required: bool = False
    private: bool = False


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

    @property
    def published(self) -> tuple[Column, ...]:
        """The columns that a published file may hold."""
        return tuple(column for column in self.columns if not column.private)

    def empty(self) -> pa.Table:
        """A table of this schema with no rows."""
        return self.schema.empty_table()


def col(name: str, type_: pa.DataType, english: str, chinese: str) -> Column:
    """A column that may be empty."""
    return Column(name, type_, english, chinese)


def key(name: str, type_: pa.DataType, english: str, chinese: str) -> Column:
    """A column that always has a value."""
    return Column(name, type_, english, chinese, required=True)


def private(name: str, type_: pa.DataType, english: str, chinese: str) -> Column:
    """A column that may be empty and is never published."""
    return Column(name, type_, english, chinese, private=True)


SOURCE_ID = key("source_id", STRING, "Source (one feed of a member) the row came from", "数据源代码")
BATCH_ID = key("batch_id", STRING, "Harvest that brought it; sorts by time", "采集批次")
RECORD_NO = key("record_no", INT, "Position of the record in its batch, from 0", "批内记录序号")
RECORD_ID = key("record_id", STRING, "Identifier of the record at its source", "成员馆记录号")
BIB_ID = key("bib_id", STRING, "Union catalogue identifier; never reused", "联合目录书目号")
MEMBER = key("member_code", STRING, "Member library code", "成员馆代码")

# The descriptive columns that a staged record and the golden record share (domain: common columns).
DESCRIPTION = (
    col("calis_id", STRING, "CALIS control number", "CALIS 控制号"),
    col("lccn", STRING, "Library of Congress control number, normalised", "美国国会图书馆控制号"),
    col("oclc", STRING, "OCLC control number, digits only", "OCLC 控制号"),
    col("isbn", STRINGS, "Valid ISBNs as 13 digits", "国际标准书号（13 位）"),
    col("bad_isbn", STRINGS, "ISBNs as given that fail their check or were cancelled", "无效书号"),
    col("binding", STRING, "Binding or qualifier of the first ISBN", "装帧"),
    col("price", STRING, "Price as given", "定价"),
    col("issn", STRINGS, "Valid ISSNs as NNNN-NNNN", "国际标准刊号"),
    col("bad_issn", STRINGS, "ISSNs as given that fail their check or were cancelled", "无效刊号"),
    col("ubsn", STRING, "Chinese book number before 1987 (统一书号)", "统一书号"),
    col("order_no", STRING, "Order number", "订购号"),
    col("standard_no", STRINGS, "Other standard numbers (DOI and others)", "其他标准号"),
    col("lang", STRING, "Language code (ISO 639-2/B) of the text", "语种"),
    col("langs", STRINGS, "All languages of the text that the record lists", "列出的全部语种"),
    col("orig_lang", STRING, "Language of the original, for a translation", "原著语种"),
    col("country", STRING, "Country of publication as coded", "出版国"),
    col("region", STRING, "Region of publication as coded (GB/T 2260)", "出版地区"),
    col("title", STRING, "Title proper, in the script of the item where given", "正题名"),
    col("subtitle", STRING, "Other title information", "副题名"),
    col("parallel_title", STRING, "Parallel title", "并列题名"),
    col("gmd", STRING, "General material designation", "一般资料标识"),
    col("volume_no", STRING, "Number of part or volume", "分卷（册）号"),
    col("volume_title", STRING, "Name of part or volume", "分卷（册）题名"),
    col("resp_first", STRING, "First statement of responsibility", "第一责任说明"),
    col("resp_other", STRING, "Other statements of responsibility", "其他责任说明"),
    col("title_pinyin", STRING, "Romanised title; never used for matching", "题名拼音"),
    col("edition", STRING, "Edition statement", "版本说明"),
    col("pub_place", STRING, "Place of publication", "出版地"),
    col("publisher", STRING, "Publisher", "出版者"),
    col("pub_places", STRINGS, "All places of publication that are named", "全部出版地"),
    col("publishers", STRINGS, "All publishers that are named", "全部出版者"),
    col("pub_year", INT, "Year of publication", "出版年"),
    col("coded_year", INT, "Year in the coded field (MARC 21 008/07-10, CNMARC 100$a/9-12)", "编码出版年"),
    col("extent", STRING, "Extent as given (pages, volumes)", "页数或卷册数"),
    col("size", STRING, "Size as given", "尺寸"),
    col("series", STRINGS, "Series statements", "丛编"),
    col("notes", STRINGS, "Notes", "附注"),
    col("abstract", STRING, "Summary", "提要"),
    col("thesis_note", STRING, "Thesis note", "学位论文附注"),
    col("subjects", STRINGS, "Subject headings, subdivisions joined by --", "主题"),
    col("clc", STRINGS, "Chinese Library Classification numbers", "中图分类号"),
    col("clc_ed", STRING, "Edition of the CLC used", "中图法版次"),
    col("lcas", STRINGS, "Classification of the Library of the Chinese Academy of Sciences", "科图分类号"),
    col("lcc", STRINGS, "Library of Congress Classification numbers", "美国国会图书馆分类号"),
    col("ddc", STRINGS, "Dewey Decimal Classification numbers", "杜威分类号"),
    col("creators", STRINGS, "Persons and bodies responsible, main entry first", "责任者"),
    col("orcid", STRINGS, "Valid ORCID iDs of persons responsible, as NNNN-NNNN-NNNN-NNNC", "责任者 ORCID 标识"),
    col(
        "bad_orcid",
        STRINGS,
        "ORCID iDs as given that fail their check or lie outside ORCID's numbers",
        "无效 ORCID",
    ),
    col("agency_chain", STRINGS, "Cataloguing agencies, original first", "编目机构"),
    col("url", STRINGS, "Electronic addresses", "电子地址"),
    col("other_carrier", STRINGS, "Identifiers or titles of the same work on another carrier", "其他载体"),
    col(
        "kind",
        STRING,
        "book, serial, article, thesis, map, score, audio, video, image, software, mixed",
        "文献类型",
    ),
    col("carrier", STRING, "print, electronic, microform, braille or other", "载体"),
)

MATCH_KEYS = (
    col(
        "title_key",
        STRING,
        "Title folded for comparison: NFKC, simplified script, no punctuation or space",
        "题名匹配键",
    ),
    col(
        "full_title_key",
        STRING,
        "Title with part title and subtitle, folded, without a volume",
        "题名、分卷题名及副题名匹配键（不含卷册号）",
    ),
    col(
        "volume_key",
        STRING,
        "Volume number folded: digits where it has any; without a number the part title folded",
        "分卷匹配键",
    ),
    col("edition_key", STRING, "Edition number; 1 where absent or first", "版次匹配键"),
    col("creator_key", STRING, "First creator folded, without dates or roles", "责任者匹配键"),
    col("creators_key", STRINGS, "All creators folded, first one first", "全部责任者匹配键"),
    col("publishers_key", STRINGS, "All publishers folded, without those unknown", "全部出版者匹配键"),
    col("places_key", STRINGS, "All places of publication folded, without those unknown", "全部出版地匹配键"),
    col("pages", INT, "Largest page count of the extent", "页数"),
)

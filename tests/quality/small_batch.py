"""Small staged tables for tests: a sound record of each format, to be broken one thing at a time."""

from typing import Any

import pyarrow as pa

from schemas.tables import BY_NAME

# (tag, value) or (tag, {code: value}) or (tag, indicators, {code: value}); a list of pairs where codes repeat
Fields = list[tuple[Any, ...]]

SOURCE, BATCH = "demo-1", "20260105T000000000000Z"

SOUND_BIB: dict[str, dict[str, Any]] = {
    "cnmarc": {
        "title": "红楼梦",
        "resp_first": "曹雪芹著",
        "control_number": "000001",
        "lang": "chi",
        "publisher": "人民文学出版社",
        "pub_year": 1998,
        "extent": "326页",
        "isbn": ["9787503727900"],
        "clc": ["I242.4"],
        "clc_ed": "5",
        "subjects": ["章回小说"],
        "kind": "book",
    },
    "marc21": {
        "title": "Dream of the red chamber",
        "control_number": "000002",
        "lang": "eng",
        "publisher": "Penguin",
        "pub_year": 1998,
        "extent": "326 p.",
        "lcc": ["PL2727"],
        "subjects": ["Fiction"],
        "kind": "book",
    },
    "dim": {"title": "On the red chamber", "pub_year": 2020, "kind": "article", "standard_no": ["10.1000/182"]},
    "oai_dc": {
        "title": "On the red chamber",
        "standard_no": ["10.1000/182"],
        "creators": ["Li, Lei"],
        "pub_year": 2020,
        "kind": "article",
    },
}
SOUND_FIELDS: dict[str, Fields] = {
    "cnmarc": [
        ("LDR", "00000nam0 2200000   450 "),
        ("001", "000001"),
        ("005", "20260101120000.0"),
        ("010", {"a": "7-5037-2790-X", "d": "CNY25.00"}),
        ("100", {"a": "20260101d1998    em y0chiy0120    ea"}),
        ("101", "0 ", {"a": "chi"}),
        ("102", {"a": "CN", "b": "110000"}),
        ("105", {"a": "a   z   000ay"}),
        ("106", {"a": "r"}),
        ("200", "1 ", {"a": "红楼梦", "A": "hong lou meng", "f": "曹雪芹著"}),
        ("210", {"a": "北京", "c": "人民文学出版社", "d": "1998"}),
        ("215", {"a": "326页"}),
        ("606", "0 ", {"a": "章回小说"}),
        ("690", {"a": "I242.4", "v": "5"}),
        ("701", " 0", {"a": "曹雪芹", "A": "cao xue qin"}),
        ("801", " 0", {"a": "CN", "b": "DEMO"}),
    ],
    "marc21": [
        ("LDR", "00000nam a2200000 a 4500"),
        ("001", "000002"),
        ("005", "20260101120000.0"),
        ("008", "980101s1998    enk           000 1 eng d"),
        ("020", {"a": "7-5037-2790-X (pbk.)"}),
        ("260", {"a": "London", "b": "Penguin", "c": "1998."}),
    ],
    "dim": [
        ("dc.title", "On the red chamber"),
        ("dc.contributor.affiliation", "Demo University"),
        ("dc.contributor.advisor", "Wu, Wei"),
        ("dc.type", "article"),
        ("dc.rights.uri", "https://creativecommons.org/licenses/by/4.0/"),
    ],
    "oai_dc": [
        ("title", "On the red chamber"),
        ("creator", "Li, Lei"),
        ("date", "2020-05-01"),
        ("type", "article"),
        ("identifier", "https://doi.org/10.1000/1"),
        ("language", "eng"),
        ("rights", "CC BY 4.0"),
    ],
}


def _field_rows(record_no: int, record_id: str, fields: Fields) -> list[dict[str, Any]]:
    rows = []
    for field_no, (tag, *rest) in enumerate(fields):
        content = rest[-1]
        indicators = rest[0] if len(rest) == 2 else "  "
        parts = list(content.items()) if isinstance(content, dict) else content
        parts = [(None, content)] if isinstance(content, str) else parts
        rows += [
            {
                "source_id": SOURCE,
                "batch_id": BATCH,
                "record_no": record_no,
                "record_id": record_id,
                "field_no": field_no,
                "tag": tag,
                "ind1": indicators[0],
                "ind2": indicators[1],
                "subfield_no": subfield_no,
                "code": code,
                "value": value,
            }
            for subfield_no, (code, value) in enumerate(parts)
        ]
    return rows


def record(format_: str, fields: Fields | None = None, **bib: Any) -> dict[str, Any]:
    """A sound record with columns of staged.bib changed and fields put in place of those of the same tag.

    A field given as None is left out; `holdings` and `items` are lists of rows.
    """
    changed = fields or []
    replaced = {tag for tag, *_ in changed}
    kept = [field for field in SOUND_FIELDS[format_] if field[0] not in replaced]
    return {
        "fields": sorted(
            kept + [field for field in changed if field[-1] is not None], key=lambda field: field[0] != "LDR"
        ),
        "holdings": bib.pop("holdings", [{"institution": "DEMO", "call_number": "I242.4/1"}]),
        "items": bib.pop("items", []),
        "bib": {**SOUND_BIB[format_], "format": format_, **bib},
    }


def staged(*records: dict[str, Any]) -> dict[str, pa.Table]:
    """The records as the staged tables of one batch."""
    rows: dict[str, list[dict[str, Any]]] = {"bib": [], "field": [], "holding": [], "item": []}
    for no, given in enumerate(records):
        common = {"source_id": SOURCE, "batch_id": BATCH, "record_no": no, "record_id": f"r{no}"}
        position = {"file": "a.mrc", "byte_offset": 0, "charset": "utf-8", "status": "clean", "level": " "}
        rows["bib"].append({**common, **position, **given["bib"]})
        rows["field"] += _field_rows(no, f"r{no}", given["fields"])
        rows["holding"] += [{**common, "holding_no": i, **row} for i, row in enumerate(given["holdings"])]
        rows["item"] += [{**common, "item_no": i, **row} for i, row in enumerate(given["items"])]
    return {
        name: pa.Table.from_pylist(content, schema=BY_NAME[f"staged.{name}"].schema)
        for name, content in rows.items()
    }

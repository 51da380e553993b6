"""A small lake, as the stages before publication leave it: three members, five bibs, some findings and loans."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quality.rules import checking
from schemas.tables import BY_NAME
from warehouse import lake
from warehouse.outcome import Outcome

from .small_batch import Fields, record, staged

BATCH = "20260105T000000000000Z"
BUILD = "20260106T000000000000Z"
MEMBERS = """code,name_zh,name_en,kind,province,regional_centre,valid_from
A,示范甲大学图书馆,Demo Library A,undergraduate,11,华北,2020-01-01
B,示范乙学院图书馆,Demo Library B,vocational,31,华东,2020-01-01
C,示范丙研究所图书馆,Demo Library C,research,44,华南,2020-01-01
"""
SOURCES = """source_id,member_code,protocol,address,metadata_prefix,format
a-opac,A,folder,a,,cnmarc
b-opac,B,folder,b,,marc21
c-repository,C,oai,https://repository.example/oai,oai_dc,oai_dc
"""
# (bib, title, CLC, LCC, year), and which source holds it
BIBS = [
    ("b1", "红楼梦<script>alert(1)</script>", ["I242.4"], [], 1998),
    ("b2", "数据库系统", ["TP311.13"], [], 2006),
    ("b3", "Dream of the red chamber", [], ["PL2727"], 1973),
    ("b4", "On the red chamber", [], [], 2020),
    ("b5", "论语", ["[B222.2]"], ["PL2478"], 2010),
]
HELD = {"a-opac": ["b1", "b2", "b5"], "b-opac": ["b1", "b3", "b5"], "c-repository": ["b4"]}
MEMBER_OF = {"a-opac": "A", "b-opac": "B", "c-repository": "C"}
# fields that break rules, one of them with markup in its value
BROKEN: dict[str, Fields] = {
    "b2": [
        ("010", {"a": "7-5037-2790-1", "d": "25.00元<script>alert(2)</script>"}),
        ("200", {"a": "数据库系统"}),
        ("100", {"a": "short"}),
        ("801", None),
    ],
    "b3": [("260", {"c": "c1989."})],
    "b4": [("rights", None)],
}
FORMAT_OF = {"a-opac": "cnmarc", "b-opac": "marc21", "c-repository": "oai_dc"}


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lake.write_table(folder, name, pa.Table.from_pylist(rows, schema=BY_NAME[name].schema))


def stage_source(source_id: str, bib_ids: list[str], rejected: int = 0) -> None:
    """Stage one batch with its findings, and record the outcome."""
    titles = {bib_id: (title, clc, lcc, year) for bib_id, title, clc, lcc, year in BIBS}
    records = []
    for bib_id in bib_ids:
        title, clc, lcc, year = titles[bib_id]
        barcode = {"barcode": f"{source_id}-{bib_id}", "call_number": "1/1"}
        records.append(
            record(
                FORMAT_OF[source_id],
                BROKEN.get(bib_id),
                title=title,
                clc=clc,
                lcc=lcc,
                pub_year=year,
                items=[barcode],
            )
        )
    tables = {
        name: table.set_column(0, table.schema.field(0), pa.array([source_id] * len(table), pa.string()))
        for name, table in staged(*records).items()
    }
    folder = lake.staged_batch(source_id, BATCH)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        lake.write_table(folder, f"staged.{name}", table)
    lake.write_table(folder, "quality.issue", checking.check(tables, source_id, BATCH))
    key = {"source_id": source_id, "batch_id": BATCH}
    write(
        folder,
        "staged.record",
        [
            {**key, "record_id": f"r{no}", "record_no": no, "digest": no, "deleted": False}
            for no in range(len(bib_ids))
        ],
    )
    position = {"file": "a.mrc", "byte_offset": 0, "rule": "iso2709-length"}
    text = {"reason": "length 0 at byte 0", "advice": "export again", "content": b"x"}
    write(
        folder,
        "staged.rejected",
        [{**key, **position, **text, "record_no": len(bib_ids) + no} for no in range(rejected)],
    )
    Outcome(
        "stage", source_id, BATCH, "run-1", "complete", len(bib_ids) + rejected, len(bib_ids), rejected
    ).record()
    Outcome("harvest", source_id, BATCH, "run-1", "complete", len(bib_ids), len(bib_ids)).record()


def build_catalog(build_id: str = BUILD, bibs: list[tuple[Any, ...]] | None = None) -> Path:
    """Write a catalogue build of those bibs."""
    bibs = BIBS if bibs is None else bibs
    folder = lake.catalog_build(build_id)
    known = {row[0] for row in bibs}
    links = [(s, no, bib_id) for s, ids in HELD.items() for no, bib_id in enumerate(ids) if bib_id in known]
    write(
        folder,
        "catalog.bib",
        [
            {
                "bib_id": bib_id,
                "records": 1,
                "members": sum(bib_id in ids for ids in HELD.values()),
                "title": title,
                "clc": clc,
                "lcc": lcc,
                "pub_year": year,
                "kind": "book",
            }
            for bib_id, title, clc, lcc, year in bibs
        ],
    )
    keys = [
        {"bib_id": bib_id, "source_id": source_id, "record_id": f"r{no}", "member_code": MEMBER_OF[source_id]}
        for source_id, no, bib_id in links
    ]
    versions = [{"batch_id": BATCH, "record_no": no} for _, no, _ in links]
    pairs = [dict(key, **version) for key, version in zip(keys, versions, strict=True)]
    for row in pairs:
        del row["member_code"]
    write(folder, "catalog.bib_record", pairs)
    write(folder, "catalog.holding", [{**key, "holding_no": 0, "call_number": "1/1"} for key in keys])
    write(folder, "catalog.item", [{**key, "item_no": 0, "barcode": f"{n}"} for n, key in enumerate(keys)])
    lines = [line.split(",") for line in MEMBERS.splitlines()]
    members = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    for member in members:
        member["member_code"] = member.pop("code")
        member["valid_from"] = datetime.fromisoformat(member["valid_from"]).date()  # type: ignore[assignment]
    write(folder, "catalog.member", members)
    loans = [("e1", "loan", 3, "b1"), ("e2", "renew", 4, "b1"), ("e3", "loan", 5, None), ("e4", "return", 6, "b1")]
    write(
        folder,
        "catalog.loan",
        [
            {
                "member_code": "A",
                "source_id": "a-loans",
                "event_id": event_id,
                "event_type": event_type,
                "event_time": datetime(2026, 1, day),
                "event_date": date(2026, 1, day),
                "item_link": "current" if bib_id else "none",
                "barcode": "0",
                "bib_id": bib_id,
            }
            for event_id, event_type, day, bib_id in loans
        ],
    )
    Outcome("catalog", "*", build_id, "run-1", "complete", len(links), len(links)).record()
    return folder


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The whole small lake, ready to be published."""
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text(MEMBERS, "utf-8")
    (lake.registry() / "sources.csv").write_text(SOURCES, "utf-8")
    for source_id, bib_ids in HELD.items():
        stage_source(source_id, bib_ids)
    build_catalog()
    return tmp_path

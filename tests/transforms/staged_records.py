"""Staged partitions made by hand, for tests of matching and of the catalogue."""

import zlib
from typing import Any

import pyarrow as pa

from schemas.columns import DESCRIPTION
from schemas.staged import STAGED_BIB
from schemas.tables import BY_NAME
from transforms import keys
from warehouse import lake

HAMLET = {
    "title": "Hamlet",
    "subtitle": "prince of Denmark",
    "creators": ["Shakespeare, William, 1564-1616"],
    "publisher": "Penguin Books",
    "pub_place": "London",
    "pub_year": 1998,
    "extent": "xii, 345 p.",
    "isbn": ["9780140707342"],
    "lang": "eng",
    "kind": "book",
    "carrier": "print",
}
ANALYSIS = {
    "title": "數學分析",
    "creators": ["陳紀修"],
    "publisher": "高等教育出版社",
    "pub_place": "北京",
    "pub_year": 1999,
    "extent": "420页",
    "isbn": ["9787040071207"],
    "lang": "chi",
    "kind": "book",
    "carrier": "print",
}


def bibs(source_id: str, records: list[dict[str, Any]], batch_id: str = "b1") -> pa.Table:
    """A `staged.bib` table with match keys; what a record does not say is empty."""
    rows = []
    for number, record in enumerate(records):
        row: dict[str, Any] = {
            column.name: [] if pa.types.is_list(column.type) else None for column in DESCRIPTION
        }
        row |= {
            "source_id": source_id,
            "batch_id": batch_id,
            "record_no": number,
            "record_id": f"{number:03}",
            "control_number": None,
            "updated_at": None,
            "file": "made.mrc",
            "byte_offset": 0,
            "format": "marc21",
            "charset": "utf-8",
            "status": "clean",
            "level": "",
            "agency_steps": [],
        }
        rows.append(row | record)
    names = [name for name in STAGED_BIB.schema.names if rows == [] or name in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema([STAGED_BIB.schema.field(name) for name in names]))
    return keys.add(table).select(STAGED_BIB.schema.names)


def stage(
    source_id: str,
    records: list[dict[str, Any]],
    batch_id: str = "b1",
    holdings: list[dict[str, Any]] | None = None,
    items: list[dict[str, Any]] | None = None,
) -> None:
    """Write a batch that holds the whole of a source; a record marked `deleted` is withdrawn."""
    deleted = [bool(record.get("deleted")) for record in records]
    plain = [{name: value for name, value in record.items() if name != "deleted"} for record in records]
    bib = bibs(source_id, plain, batch_id)
    record = bib.select(["source_id", "record_id", "batch_id", "record_no"])
    digest = [hash_of(row) for row in plain]
    record = record.append_column("digest", pa.array(digest, pa.uint64()))
    record = record.append_column("deleted", pa.array(deleted, pa.bool_()))
    position = {"source_id": source_id, "batch_id": batch_id}
    with lake.replacing_folder(lake.staged_batch(source_id, batch_id)) as folder:
        lake.write_table(folder, "staged.bib", bib)
        lake.write_table(folder, "staged.record", record)
        for name, rows in (("staged.holding", holdings or []), ("staged.item", items or [])):
            rows = [{**position, **row} for row in rows]
            lake.write_table(folder, name, pa.Table.from_pylist(rows, schema=BY_NAME[name].schema))


def hash_of(record: dict[str, Any]) -> int:
    """A digest that is the same in every process."""
    return zlib.crc32(repr(sorted(record.items())).encode())


def register(sources: dict[str, str], loans: tuple[str, ...] = ()) -> None:
    """Write a registry: a member code for each source; `loans` are feeds of circulation events."""
    folder = lake.registry()
    folder.mkdir(parents=True, exist_ok=True)
    members = "".join(
        f"{code},示范{code},Demo Library {code},undergraduate,11,2020-01-01\n"
        for code in sorted(set(sources.values()))
    )
    (folder / "members.csv").write_text("code,name_zh,name_en,kind,province,valid_from\n" + members, "utf-8")
    lines = "".join(
        f"{source_id},{code},folder,in/{source_id},{'loans' if source_id in loans else 'auto'}\n"
        for source_id, code in sources.items()
    )
    (folder / "sources.csv").write_text("source_id,member_code,protocol,address,format\n" + lines, "utf-8")

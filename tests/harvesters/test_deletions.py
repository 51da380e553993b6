"""Lists of deleted records, and the monthly files of a library applied in order."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from harvesters import deletion_lists
from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.harvesters.zebra import marc
from transforms.stage import stage
from warehouse import lake


@pytest.fixture
def folder(lake_home: Path) -> Path:
    folder = lake_home / "drop"
    folder.mkdir(parents=True)
    lake.registry().mkdir(parents=True)
    members = "code,name_zh,name_en,kind,province,valid_from\ndemo,示例,Demo,other,11,2020-01-01\n"
    (lake.registry() / "members.csv").write_text(members, "utf-8")
    sources = "source_id,member_code,protocol,address,format\ndemo,demo,folder,drop,marc21\n"
    (lake.registry() / "sources.csv").write_text(sources, "utf-8")
    return folder


def source(**changes: object) -> Source:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "folder", "address": "drop", "format": "marc21"}
    return Source.model_validate(row | changes)


def take(received: int) -> None:
    """Harvest and stage; all counts must balance."""
    outcome = harvest(source(), "run")
    assert (outcome.verdict, outcome.received) == ("complete", received), outcome.reason
    staged = stage(source(), "run")[-1]
    assert (staged.verdict, staged.received) == ("complete", received), staged.reason


def alive() -> dict[str, bool]:
    """Of each identifier whether its record is there."""
    file = lake.staged_batch("demo", lake.staged_batches("demo")[-1]) / "record.parquet"
    table = lake.read_table("staged.record", [file])
    return {row["record_id"]: not row["deleted"] for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (b"\xef\xbb\xbfSys. No.,OCLC No.\n254026,(OCoLC)15357761\n731545,\n", ["254026", "731545"]),
        (b"OCLC,System Number\n(OCoLC)1,11172\n", ["11172"]),
        (b"1001\r\n1002\r\n\r\n", ["1001", "1002"]),
        ("题名;控制号\n书;CAL 012\n".encode("gb18030"), ["CAL 012"]),
        (b"title\tid\nBook\t5\nNone\n", ["5", ""]),
        (b"", []),
        (b"record_id\n", []),
    ],
    ids=["two columns", "second column", "no header", "GB 18030", "line without", "empty", "header only"],
)
def test_the_column_of_control_numbers_is_found(text: bytes, ids: list[str]) -> None:
    assert [name for _, _, name in deletion_lists.read(io.BytesIO(text))] == ids
    assert deletion_lists.count(io.BytesIO(text)) == len(ids)


def test_deletions_withdraw_records_also_without_leading_zeros(folder: Path) -> None:
    records = [marc(100 + n, "20260101") for n in range(5)]
    (folder / "all.mrc").write_bytes(b"".join(records))
    take(5)
    (folder / "2026-02_deleted.csv").write_bytes(b"id\n101\n0103\n999\n")
    take(3)
    assert alive() == {"100": True, "101": False, "102": True, "103": False, "104": True, "999": False}
    (folder / "again.mrc").write_bytes(records[1])
    take(1)
    assert alive()["101"]


def test_a_list_beside_its_records_comes_last(folder: Path) -> None:
    (folder / "z.mrc").write_bytes(marc(100, "20260101") + marc(101, "20260101"))
    (folder / "a_deleted.csv").write_bytes(b"id\n101\n")
    take(3)
    assert alive() == {"100": True, "101": False}


def test_deletions_as_marc(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(marc(100, "20260101") + marc(101, "20260101"))
    take(2)
    gone = bytearray(marc(101, "20260201"))
    gone[5:6] = b"d"
    (folder / "b.mrc").write_bytes(bytes(gone))
    take(1)
    assert alive() == {"100": True, "101": False}


def test_a_line_without_a_number_is_set_aside(folder: Path) -> None:
    (folder / "a_deleted.csv").write_bytes(b"id,title\n7,Book\n,Other\n")
    take(2)
    rejected = lake.read_table("staged.rejected", lake.staged_files("rejected")).to_pylist()
    assert [row["content"] for row in rejected] == [b",Other\n"] and alive() == {"7": False}


def test_the_monthly_files_of_a_library_give_the_state_that_they_say(folder: Path, real: Path) -> None:
    """Truth: the last record of each control number in the order of arrival, less what lists name later."""
    truth: dict[str, bytes | None] = {}
    for month in ("202601", "202602", "202603"):
        files = sorted((real / "marc21" / "gpo-monthly").glob(f"*/*{month}*"), key=lambda path: path.name)
        received = 0
        for path in sorted(files, key=lambda path: path.suffix == ".csv"):
            shutil.copyfile(path, folder / path.name)
            if path.suffix == ".csv":
                with path.open(encoding="utf-8-sig", newline="") as lines:
                    gone = [row[0] for row in list(csv.reader(lines))[1:]]
                truth |= dict.fromkeys(gone)
                received += len(gone)
                continue
            for record in path.read_bytes().split(b"\x1d")[:-1]:
                base = int(record[12:17])
                at = base + int(record[24:].partition(b"001")[2][4:9])
                truth[record[at : at + 9].decode()] = record
                received += 1
        take(received)
    assert {name for name, there in alive().items() if there} == {n for n, record in truth.items() if record}
    assert {name for name, there in alive().items() if not there} == {
        n for n, record in truth.items() if not record
    }
    assert len(truth) > 7_000
    index = lake.read_table(
        "staged.record", [lake.staged_batch("demo", lake.staged_batches("demo")[-1]) / "record.parquet"]
    )
    current = {(row["batch_id"], row["record_no"]): row["record_id"] for row in index.to_pylist()}
    titles: dict[str, str] = {}
    for batch_id in lake.staged_batches("demo"):
        fields = lake.read_table("staged.field", [lake.staged_batch("demo", batch_id) / "field.parquet"])
        for row in fields.filter(
            fields["tag"].combine_chunks().cast("string").to_numpy(False) == "005"
        ).to_pylist():
            if name := current.get((batch_id, row["record_no"])):
                titles[name] = row["value"]
    changed = {name: record for name, record in truth.items() if record}
    assert all(titles[name].encode() in record for name, record in changed.items() if name in titles)
    assert len(titles) == len(changed)

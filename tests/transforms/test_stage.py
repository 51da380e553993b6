"""The stage: atomic, rerunnable, incremental; bad records set aside; bad files named."""

import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from harvesters.landing import Landing
from harvesters.registry import Source
from transforms.stage import stage
from warehouse import engine, lake
from warehouse.outcome import recorded


def iso2709(*fields, leader="     nam a22     4a 4500"):
    """A record of (tag, data) with a right leader and directory, UTF-8."""
    directory, data = b"", b""
    for tag, text in fields:
        content = text.encode() + b"\x1e"
        directory += f"{tag}{len(content):04d}{len(data):05d}".encode()
        data += content
    base = 24 + len(directory) + 1
    length = base + len(data) + 1
    head = f"{length:05d}{leader[5:12]}{base:05d}{leader[17:]}".encode()
    return head + directory + b"\x1e" + data + b"\x1d"


def book(number, title="A title", tag="245", leader="     nam a22     4a 4500"):
    return iso2709(("001", str(number)), (tag, f"00\x1fa{title}"), leader=leader)


SOURCE = Source(source_id="s", member_code="m", protocol="folder", address="x", format="marc21")


def land(*contents, full=False):
    batch_id = lake.new_batch_id()
    landing = Landing("s", batch_id)
    for number, content in enumerate(contents):
        landing.land(f"file-{number}", content, "test")
    landing.complete(full)
    return batch_id


def counts(outcome):
    return outcome.received, outcome.staged, outcome.rejected, outcome.deleted, outcome.unchanged


def titles():
    with engine.open_lake() as con:
        return dict(con.execute("SELECT record_id, title FROM staged.current_bib ORDER BY 1").fetchall())


def test_new_changed_unchanged_and_deleted(lake_home):
    land(book(1) + book(2) + book(3))
    (first,) = stage(SOURCE, "r")
    assert (first.verdict, counts(first)) == ("complete", (3, 3, 0, 0, 0))
    withdrawn = book(3, leader="     dam a22     4a 4500")
    land(book(1) + book(2, "Changed") + withdrawn + book(4))
    (second,) = stage(SOURCE, "r")
    assert counts(second) == (4, 2, 0, 1, 1)
    assert titles() == {"1": "A title", "2": "Changed", "4": "A title"}


def test_nothing_new_is_unchanged_and_not_recorded(lake_home):
    land(book(1))
    stage(SOURCE, "r")
    (again,) = stage(SOURCE, "r2")
    assert again.verdict == "unchanged"
    assert len(recorded("stage", "s")) == 1


def test_a_full_batch_retires_what_it_does_not_hold(lake_home):
    land(book(1) + book(2))
    land(book(2) + book(3), full=True)
    outcomes = stage(SOURCE, "r")
    assert [counts(o) for o in outcomes] == [(2, 2, 0, 0, 0), (2, 1, 0, 0, 1)]
    assert set(titles()) == {"2", "3"}
    land(book(1))
    stage(SOURCE, "r")
    assert set(titles()) == {"1", "2", "3"}, "a record that comes back is there again"


def test_the_last_of_two_with_one_number_wins_and_it_is_flagged(lake_home):
    land(book(1, "Old") + book(2) + book(1, "New"))
    (outcome,) = stage(SOURCE, "r")
    assert counts(outcome) == (3, 3, 0, 0, 0)
    assert titles()["1"] == "New"
    with engine.open_lake() as con:
        found = con.execute("SELECT record_no, value FROM quality.issue WHERE rule = 'duplicate-control-number'")
        assert found.fetchall() == [(0, "1")]


def test_a_record_without_number_or_title_is_set_aside_with_its_bytes(lake_home):
    nameless, untitled = iso2709(("245", "00\x1faNo number")), iso2709(("001", "9"), ("100", "1 \x1faNobody"))
    land(book(1) + nameless + untitled)
    (outcome,) = stage(SOURCE, "r")
    assert counts(outcome) == (3, 1, 2, 0, 0)
    with engine.open_lake() as con:
        rejected = con.execute(
            "SELECT rule, byte_offset, content, advice FROM staged.rejected ORDER BY record_no"
        ).fetchall()
    assert [(row[0], bytes(row[2])) for row in rejected] == [
        ("missing-control-number", nameless),
        ("missing-title", untitled),
    ]
    assert rejected[0][1] == len(book(1))
    assert all(row[3] for row in rejected)


def test_a_readers_export_is_set_aside_as_personal_data(lake_home):
    leader = "     nam0 22     4a 450 "
    reader = iso2709(("001", "R1"), ("100", "  \x1fa20260101"), ("200", "  \x1fa张三\x1fb男"), leader=leader)
    land(reader)
    (outcome,) = stage(SOURCE.model_copy(update={"format": "cnmarc"}), "r")
    assert counts(outcome) == (1, 0, 1, 0, 0)
    with engine.open_lake() as con:
        assert con.execute("SELECT rule FROM staged.rejected").fetchall() == [("possible-personal-data",)]
        assert con.execute("SELECT count(*) FROM staged.field").fetchone() == (0,)


def test_a_file_of_no_known_format_fails_with_its_name_and_what_to_do(lake_home):
    batch = land(b"PK not a library file at all\n" * 4)
    (outcome,) = stage(SOURCE, "r")
    assert outcome.verdict == "failed"
    for part in ("s, batch", batch, "file-0", "neither ISO 2709", "Export it"):
        assert part in outcome.reason
    assert lake.staged_batches("s") == []


def test_staging_again_gives_the_same(lake_home):
    land(book(1) + book(2))
    land(book(2, "Changed") + book(3))
    stage(SOURCE, "r")

    def content():
        with engine.open_lake() as con:
            return con.execute("SELECT * FROM staged.current_field ORDER BY ALL").fetchall()

    before = content()
    outcomes = stage(SOURCE, "r2", again=True)
    assert [counts(o) for o in outcomes] == [(2, 2, 0, 0, 0), (2, 2, 0, 0, 0)]
    assert content() == before


def test_what_was_written_to_an_older_contract_is_staged_again(lake_home):
    batch = land(book(1))
    stage(SOURCE, "r")
    bib = lake.staged_batch("s", batch) / "bib.parquet"
    pq.write_table(pq.read_table(bib).drop_columns("title_key"), bib)
    (outcome,) = stage(SOURCE, "r2")
    assert counts(outcome) == (1, 1, 0, 0, 0)
    assert "title_key" in pq.read_schema(bib).names


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.4])
def test_killed_in_the_middle_and_run_again_gives_the_same(lake_home, delay):
    land(b"".join(book(number, f"Title {number}") for number in range(4000)))
    code = (
        "from tests.transforms.test_stage import SOURCE; from transforms.stage import stage; "
        "print('begun', flush=True); stage(SOURCE, 'r')"
    )
    environment = os.environ | {"CALIS_HOME": str(lake_home)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=lake.CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage(SOURCE, "r")
    assert counts(recorded("stage", "s")[0]) == (4000, 4000, 0, 0, 0)
    assert len(titles()) == 4000
    lake.sweep()
    assert [path.name for path in (lake_home / "staged" / "s").iterdir()] == lake.staged_batches("s")

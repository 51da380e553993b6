"""Harvesting over Z39.50 from real servers: Zebra with real records, YAZ's test server, and none at all."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvesters import landing, zoom
from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.consortium import free_port
from tests.harvesters import zebra
from transforms.stage import stage
from warehouse import lake

QUICK = {"allow_private": "yes", "attempts": "2", "first_wait": "0.01", "read_timeout": "5"}


@pytest.fixture(autouse=True)
def _installed() -> None:
    zebra.need_servers()


def source(address: str, **changes: object) -> Source:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "z3950", "address": address}
    quirks = QUICK | changes.pop("quirks", {})  # type: ignore[operator]
    return Source.model_validate(row | {"metadata_prefix": "usmarc"} | changes | {"quirks": quirks})


@pytest.fixture(scope="module")
def books(library_of_congress: int) -> str:
    """2,000 books of the Library of Congress."""
    return f"z3950://127.0.0.1:{library_of_congress}/biblios"


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """500 records, numbered in tens, each month with some; and the folder, to add to."""
    zebra.need_servers()
    folder = tmp_path_factory.mktemp("zebra")
    records = [zebra.marc(10 * n, f"2020{1 + n % 12:02d}{1 + n % 28:02d}") for n in range(1, 501)]
    (folder / "made.mrc").write_bytes(b"".join(records))
    zebra.load(folder, folder / "made.mrc")
    with zebra.zebra(folder) as port:
        yield f"z3950://127.0.0.1:{port}/biblios", folder


@pytest.mark.parametrize("syntax", ["usmarc", "xml"])
def test_all_records_of_zebra_arrive_and_are_staged(books: str, lake_home: Path, syntax: str) -> None:
    outcome = harvest(source(books, metadata_prefix=syntax), "run")
    assert (outcome.verdict, outcome.received, outcome.reason) == ("complete", 2000, "")
    assert landing.batch("demo", outcome.batch_id).full
    rows = landing.manifest("demo", outcome.batch_id)
    assert len(rows) == 20 and {Path(row["file"]).suffix for row in rows} == {
        ".xml" if syntax == "xml" else ".mrc"
    }
    (staged,) = stage(source(books), "run")
    assert (staged.verdict, staged.received, staged.staged) == ("complete", 2000, 2000), staged.reason
    assert harvest(source(books, metadata_prefix=syntax), "run-2").verdict == "unchanged"


def test_unimarc_arrives_byte_for_byte_as_the_target_sends_it(real: Path, tmp_path: Path, lake_home: Path) -> None:
    with (real / "unimarc" / "serials.mrc").open("rb") as file:
        records = [r for r in file.read(600_000).split(b"\x1d")[:-1] if b"\x1e001" not in r and r[24:27] == b"001"]
    (tmp_path / "serials.mrc").write_bytes(b"".join(record + b"\x1d" for record in records[:200]))
    zebra.load(tmp_path, tmp_path / "serials.mrc")
    with zebra.zebra(tmp_path) as port:
        one = source(f"z3950://127.0.0.1:{port}/biblios", format="unimarc")
        outcome = harvest(one, "run")
        assert (outcome.verdict, outcome.received) == ("complete", 200), outcome.reason
        (staged,) = stage(one, "run")
    assert (staged.verdict, staged.staged + staged.rejected) == ("complete", 200), staged.reason
    told = "".join(lake.read_table("staged.bib", lake.staged_files("bib"))["title"].fill_null("").to_pylist())
    assert "é" in told and "Ã©" not in told


@pytest.mark.parametrize(
    "quirks",
    [
        {"date_index": "1=1012,4=109", "window_records": "60"},
        {"id_index": "1=12,4=109", "window_records": "60", "id_range": "1-10000"},
    ],
    ids=["dates", "numbers"],
)
def test_windows_bring_everything_once(
    numbered: tuple[str, Path], lake_home: Path, quirks: dict[str, str]
) -> None:
    outcome = harvest(source(numbered[0], quirks=quirks), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 500), outcome.reason
    rows = landing.manifest("demo", outcome.batch_id)
    assert len(rows) >= 9 and max(row["received"] for row in rows) <= 60
    (staged,) = stage(source(numbered[0]), "run")
    assert staged.staged == 500
    assert lake.read_table("quality.issue", lake.staged_files("issue")).num_rows >= 0
    assert len(set(lake.read_table("staged.bib", lake.staged_files("bib"))["record_id"].to_pylist())) == 500


def test_an_index_that_does_not_order_is_told_and_nothing_lands(books: str, lake_home: Path) -> None:
    outcome = harvest(source(books, quirks={"id_index": "1=12,4=109", "window_records": "60"}), "run")
    assert outcome.verdict == "failed" and "does not put records in order" in outcome.reason


def test_a_window_of_dates_that_a_person_names(numbered: tuple[str, Path], lake_home: Path) -> None:
    one = source(numbered[0], quirks={"date_index": "1=1012,4=109"})
    outcome = harvest(one, "run", since="2020-03-01", until="2020-03-31")
    assert outcome.verdict == "complete" and 40 <= outcome.received <= 46
    assert not landing.batch("demo", outcome.batch_id).full


def test_cql_and_a_query_of_the_row(books: str, lake_home: Path) -> None:
    one = source(books, set_spec="@attr 1=4 history")
    outcome = harvest(one, "run")
    assert outcome.verdict == "complete" and 0 < outcome.received < 500
    two = source(books, set_spec="dc.title=history", quirks={"query_type": "cql"})
    again = harvest(two, "run-2")
    assert again.verdict == "unchanged" and f"all {outcome.received} records are as they were" in again.reason


def test_yaz_test_server(tmp_path: Path, lake_home: Path) -> None:
    with zebra.ztest(tmp_path) as port:
        one = source(f"z3950://127.0.0.1:{port}/Default", set_spec="computer")
        outcome = harvest(one, "run")
    assert outcome.verdict == "complete" and outcome.received > 0, outcome.reason


BAD = {
    "no such database": ({"address": "/nothing"}, "Database unavailable (nothing)"),
    "syntax that it has not": ({"metadata_prefix": "danmarc"}, "correct metadata_prefix"),
    "no query": ({"set_spec": "@and x"}, "correct the query"),
    "index that it has not": ({"set_spec": "@attr 1=9999 x"}, "lacks an index"),
}


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_what_a_target_refuses_is_told(books: str, lake_home: Path, changes: dict[str, str], said: str) -> None:
    changes = {"address": "/biblios"} | changes
    outcome = harvest(source(books.replace("/biblios", changes.pop("address")), **changes), "run")
    assert outcome.verdict in ("failed", "partial") and said in outcome.reason, outcome.reason
    assert not lake.raw_batches("demo")


def test_nobody_there(lake_home: Path) -> None:
    outcome = harvest(source(f"z3950://127.0.0.1:{free_port()}/db"), "run")
    assert outcome.verdict == "failed"
    assert "asked 2 times" in outcome.reason and "whether the server runs" in outcome.reason


def test_a_target_that_hangs(lake_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = source(
            f"z3950://127.0.0.1:{silent.getsockname()[1]}/db", quirks={"read_timeout": "1", "attempts": "1"}
        )
        outcome = harvest(one, "run")
    assert outcome.verdict == "failed" and "slow or hangs" in outcome.reason, outcome.reason


def test_private_addresses_need_the_row(lake_home: Path) -> None:
    one = source("z3950://lib.example.edu/db").model_copy(
        update={"address": "z3950://127.0.0.1/db", "quirks": {"attempts": "1"}}
    )
    outcome = harvest(one, "run")
    assert outcome.verdict == "failed" and "allow_private=yes" in outcome.reason


def test_without_the_library_it_is_told(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoom, "is_there", lambda: False)
    assert "apt-get install libyaz5" in harvest(source("z3950://127.0.0.1/db"), "run").reason

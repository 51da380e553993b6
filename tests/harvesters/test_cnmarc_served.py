"""CNMARC from Zebra: over Z39.50 byte for byte, in UTF-8 and GB 18030, and as XML over Z39.50 and SRU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters import test_sru, test_z3950, zebra
from transforms.stage import stage
from warehouse import lake

NUMBERS = range(1, 31)


def record(number: int, encoding: str) -> bytes:
    """A book whose title has a character that GB 2312 lacks."""
    fields = [
        ("001", f"CAL{number:06d}"),
        ("005", "20250101120000.0"),
        ("100", "  \x1fa20080101d2008    em y0chiy50      ea"),
        ("101", "0 \x1fachi"),
        ("200", f"1 \x1fa朱镕基讲话{number}\x1f9zhu rong ji jiang hua\x1ff朱镕基著"),
        ("210", "  \x1fa北京\x1fc人民出版社\x1fd2011"),
        ("690", "  \x1faD2-0\x1fv5"),
        ("905", f"  \x1faWHU\x1fb{number:07d}\x1fdD2-0"),
    ]
    return zebra.iso2709(fields, encoding)


@dataclass
class Served:
    encoding: str
    records: list[bytes]
    port: int


@pytest.fixture(scope="module", params=["utf-8", "gb18030"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    zebra.need_servers()
    folder: Path = tmp_path_factory.mktemp("zebra")
    records = [record(number, request.param) for number in NUMBERS]
    (folder / "books.mrc").write_bytes(b"".join(records))
    zebra.load(folder, folder / "books.mrc", marc="unimarc", encoding=request.param)
    with zebra.zebra(folder) as port:
        yield Served(request.param, records, port)


@pytest.mark.parametrize("asked", ["Z39.50", "Z39.50 with XML", "SRU"])
def test_all_records_arrive_and_are_read(served: Served, asked: str, lake_home: Path) -> None:
    if asked == "SRU":
        one = test_sru.source(f"http://127.0.0.1:{served.port}/biblios", format="cnmarc")
    else:
        syntax = "xml" if "XML" in asked else "unimarc"
        address = f"z3950://127.0.0.1:{served.port}/biblios"
        one = test_z3950.source(address, metadata_prefix=syntax, format="cnmarc")
    outcome = harvest(one, "run")
    assert (outcome.verdict, outcome.received) == ("complete", len(NUMBERS)), outcome.reason
    [of_stage] = stage(one, "run")
    assert (of_stage.verdict, of_stage.staged) == ("complete", len(NUMBERS)), of_stage.reason
    rows = lake.read_table("staged.bib", lake.staged_files("bib")).to_pylist()
    assert {row["title"] for row in rows} == {f"朱镕基讲话{number}" for number in NUMBERS}
    assert {row["format"] for row in rows} == {"cnmarc"} and {row["status"] for row in rows} == {"clean"}
    if asked == "Z39.50":
        [file] = landing.manifest("demo", outcome.batch_id)
        with landing.open_raw("demo", outcome.batch_id, file["file"]) as kept:
            assert kept.read() == b"".join(served.records)
        assert {row["charset"] for row in rows} == {served.encoding}


def test_a_syntax_that_the_target_cannot_make_is_told(served: Served, lake_home: Path) -> None:
    outcome = harvest(test_z3950.source(f"z3950://127.0.0.1:{served.port}/biblios"), "run")
    assert outcome.verdict == "failed" and "not even the first was given; see metadata_prefix" in outcome.reason

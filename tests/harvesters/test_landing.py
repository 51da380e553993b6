"""Counting without a parser, and the manifest."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harvesters import landing
from harvesters.landing import Landing, count_records
from warehouse import lake

OAI = b'<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'
PREFIXED = b'<o:OAI-PMH xmlns:o="http://www.openarchives.org/OAI/2.0/"><o:ListRecords>'
MARC = b"00034nam a2200025 a 4500\x1e\x1d"

COUNTS = {
    "nothing": (b"", 0),
    "ISO 2709": (MARC * 3, 3),
    "ISO 2709, lines between": (b"\r\n".join([MARC] * 3) + b"\r\n\x1a", 3),
    "ISO 2709, last not ended": (MARC * 2 + MARC[:-1], 3),
    "ISO 2709, one not ended": (MARC[:-1], 1),
    "ISO 2709, empty units": (MARC + b"\x1d\x1d" + MARC, 2),
    "byte order mark": (b"\xef\xbb\xbf" + MARC, 1),
    "UTF-16": ((MARC * 3).decode().encode("utf-16"), 3),
    "UTF-16, characters with the separators' bytes": (("ᴝ" * 5 + MARC.decode() * 3).encode("utf-16"), 3),
    "MARCXML": (
        b"<collection><record><leader/></record><record/><marc:record \n x='1'></marc:record></collection>",
        3,
    ),
    "names that only begin like record": (b"<collection><recordData/><records/><record-x/></collection>", 0),
    "OAI page with MARCXML": (OAI + b"<record><header/><metadata><record/></metadata></record>" * 3, 3),
    "OAI page with a prefix": (PREFIXED + b"<o:record><o:header>x</o:header><header/></o:record>" * 3, 3),
    "OAI identifiers": (OAI.replace(b"Records", b"Identifiers") + b"<header status='deleted'>" * 2, 2),
    "OAI page after a comment": (b"<!-- <x> --><?xml-stylesheet href='a'?>" + OAI + b"<header>", 1),
    "lines": (b"a,b\n1,2\n\n3,4", 2),
    "lines with CRLF": (b"a,b\r\n1,2\r\n3,4\r\n", 2),
    "lines with CR": (b"a,b\r1,2\r3,4", 2),
    "only a header": (b"a,b\n", 0),
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_count_records(name: str, size: int) -> None:
    content, expected = COUNTS[name]
    assert count_records(content) == expected
    assert count_records(_Slow(content, size)) == expected


class _Slow(io.BytesIO):
    """Gives what shows the format, then a few bytes at a time."""

    def __init__(self, content: bytes, size: int):
        super().__init__(content)
        self._size = size
        self._first = 256 if content[:1] == b"<" else 20

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._size if self.tell() else self._first)


@pytest.mark.parametrize("shift", range(0, 40))
def test_tags_across_chunks(shift: int) -> None:
    content = b"<c>" + b" " * shift + b"<record>" * 200 + b"<" + b"x" * 5000 + b"<record/></c>"
    assert count_records(_Slow(content, 16)) == 201


def test_manifest_and_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    landed = Landing("demo", "b1")
    assert landed.land("a.mrc", MARC * 2, "a.mrc") == 2
    assert landed.land("b.mrc", io.BytesIO(MARC), "b.mrc") == 1
    assert landed.land("c.xml", b"<x/>", "c", received=7) == 7
    assert landed.received == 10 and lake.raw_batches("demo") == []
    landed.complete(full=True, response_date="2026-01-01T00:00:00Z", hint="x")
    rows = landing.manifest("demo", "b1")
    assert [(row["file"], row["received"], row["bytes"]) for row in rows] == [
        ("a.mrc", 2, 52), ("b.mrc", 1, 26), ("c.xml", 7, 4)
    ]  # fmt: skip
    assert landing.batch("demo", "b1") == landing.Batch("demo", "b1", True, "2026-01-01T00:00:00Z", {"hint": "x"})
    other = Landing("demo", "b2")
    other.land("a.mrc", MARC, "a.mrc")
    other.abandon()
    assert lake.raw_batches("demo") == ["b1"] and landing.in_progress("demo") == []
    with pytest.raises(FileNotFoundError, match="named in the manifest"):
        landing.open_raw("demo", "b1", "d.mrc")


def test_damaged_lake_file_is_never_read_as_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    landed = Landing("demo", "b1")
    landed.land("a.mrc", MARC * 1000, "a.mrc")
    landed.complete(full=True)
    path = landing.raw_path("demo", "b1", "a.mrc")
    path.write_bytes(path.read_bytes()[:-5])
    with (
        pytest.raises(landing.UnreadableError, match=r"demo.*b1.*a\.mrc"),
        landing.open_raw("demo", "b1", "a.mrc") as raw,
    ):
        raw.read()


@pytest.mark.usefixtures("lake_home")
def test_pages_stand_behind_each_other() -> None:
    landed = Landing("demo", "b1")
    landed.begin({})
    for number in range(4):
        landed.land_page(f"page-{number}.xml", OAI * (number + 1), "asked", number, {"at": number})
    size = (landed.folder / landing.PAGES).stat().st_size
    landed.drop("page-2.xml", "page-3.xml")
    assert (landed.folder / landing.PAGES).stat().st_size < size  # nothing stays of what is dropped
    landed.land_page("page-2.xml", MARC, "asked", 1, {"at": 2})
    taken = landing.take_up("demo", "b2", lambda plan: True, lambda plan: False)
    assert taken and taken[1] == [{"at": 0}, {"at": 1}, {"at": 2}]
    taken[0].complete(full=True)
    for name, content in (("page-0.xml", OAI), ("page-1.xml", OAI * 2), ("page-2.xml", MARC)):
        with landing.open_raw("demo", "b2", name) as page:
            assert page.read() == content


@pytest.mark.usefixtures("lake_home")
def test_page_whose_journal_line_a_kill_cut_leaves_no_bytes() -> None:
    landed = Landing("demo", "b1")
    landed.begin({})
    landed.land_page("page-1.xml", OAI, "asked", 1, {})
    size = (landed.folder / landing.PAGES).stat().st_size
    landed.land_page("page-2.xml", OAI, "asked", 1, {})
    journal = landed.folder / landing.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-5])
    taken = landing.take_up("demo", "b2", lambda plan: True, lambda plan: False)
    assert taken and (taken[0].folder / landing.PAGES).stat().st_size == size
    assert [row["file"] for row in taken[0].rows] == ["page-1.xml"]


@pytest.mark.usefixtures("lake_home")
@pytest.mark.parametrize("damage", [b"", b"\0" * 9, b"\x28\xb5\x2f\xfd"], ids=["cut", "other bytes", "cut in it"])
def test_damaged_page_is_never_read_as_shorter(damage: bytes) -> None:
    landed = Landing("demo", "b1")
    landed.begin({})
    for number in range(2):
        landed.land_page(f"page-{number}.xml", OAI * 100, "asked", 1, {})
    position = landed.rows[1]["position"]
    landed.complete(full=True)
    path = landing.raw_path("demo", "b1", "page-1.xml")
    path.write_bytes(path.read_bytes()[:position] + damage)
    with landing.open_raw("demo", "b1", "page-0.xml") as page:
        assert page.read() == OAI * 100
    with pytest.raises(landing.UnreadableError, match=r"demo.*b1.*page-1\.xml"):
        landing.open_raw("demo", "b1", "page-1.xml")


@pytest.mark.usefixtures("lake_home")
def test_pages_of_a_lake_that_kept_each_in_a_file_are_read() -> None:
    landed = Landing("demo", "b1")
    landed.land("page-1.xml", OAI, "asked", received=1)
    landed.complete(full=True)
    manifest = lake.raw_batch("demo", "b1") / "file.parquet"
    pq.write_table(pq.read_table(manifest).drop_columns("position"), manifest)
    assert landing.manifest("demo", "b1")[0]["position"] is None
    with landing.open_raw("demo", "b1", "page-1.xml") as page:
        assert page.read() == OAI

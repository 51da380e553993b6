"""The sample consortium on disk, held against its own truth and against pymarc."""

import csv
import hashlib
import json
import unicodedata
from collections import Counter
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pymarc
import pytest

from harvesters import registry
from sample import books, build, libraries, loans
from sample.libraries import FEEDS, LENDERS, USAGE
from sample.marc import parse, value

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "marc21"
FILES = [DATA / "lc-books.mrc", DATA / "lc-chinese.mrc"]
FOLDERS = [feed for feed in FEEDS if not feed.oai]
# variations after which the title is not the book's own any more
TITLE_CHANGES = {"title_case", "title_punctuation", "title_typo", "subtitle_in_title"} | {
    "script_simplified",
    "script_traditional",
}
pytestmark = pytest.mark.skipif(not all(f.exists() for f in FILES), reason="needs shared/data/marc21")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("CALIS_HOME", str(folder))
        folder.joinpath("summary.json").write_text(json.dumps(build.build(FILES, records=900, seed=7)))
        yield folder


@pytest.fixture(scope="module")
def truth(home):
    return pq.read_table(home / "sample" / "truth.parquet").to_pylist()


@pytest.fixture(scope="module")
def originals():
    found = {}
    for file in FILES:
        for unit in file.read_bytes().split(b"\x1d")[:-1]:
            record = parse(unit)
            found.setdefault(record.control("001").replace(" ", ""), record)
    return found


def units(home, feed):
    """The records of a feed's files, in order; the last may have been cut."""
    files = sorted((home / "sample" / "exports" / feed.source_id).glob("*.mrc"))
    parts = [unit for file in files for unit in file.read_bytes().split(b"\x1d")]
    return [unit.lstrip(b"\r\n") for unit in parts if unit.strip(b"\r\n")]


def read_cnmarc(unit, feed):
    """pymarc believes leader/09 before its own argument; one library says there what is not so."""
    return pymarc.Record(unit[:9] + b" " + unit[10:] + b"\x1d", file_encoding=feed.charset)


def digests(home):
    root = home / "sample"
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_replaces_what_was_there(home, tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    build.build(FILES[1], records=100, seed=8)
    other = digests(tmp_path)
    build.build(FILES, records=900, seed=7)
    assert digests(tmp_path) == digests(home)
    assert digests(tmp_path) != other
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"


def test_the_truth_knows_every_record_in_order(home, truth):
    summary = json.loads((home / "summary.json").read_text())
    assert summary["records"] == len(truth) and 850 <= len(truth) <= 950
    assert len({(row["source_id"], row["record_id"]) for row in truth}) == len(truth)
    for feed in FOLDERS:
        rows = [row for row in truth if row["source_id"] == feed.source_id]
        assert len(units(home, feed)) == len(rows) == summary["sources"][feed.source_id]["written"]
        states = Counter(row["state"] for row in rows)
        assert states["damaged"] == summary["sources"][feed.source_id]["damaged"]
        assert states["deleted"] == summary["sources"][feed.source_id]["deleted"]


@pytest.mark.parametrize("feed", FOLDERS, ids=lambda feed: feed.source_id)
def test_pymarc_reads_every_record_that_is_not_damaged(home, truth, feed):
    rows = [row for row in truth if row["source_id"] == feed.source_id]
    for row, unit in zip(rows, units(home, feed), strict=True):
        if row["state"] == "damaged":
            continue
        content = unit + b"\x1d"
        assert int(content[:5]) == len(content)
        assert content[9:10] == feed.leader_09.encode()
        assert (content[5:6] == b"d") == (row["state"] == "deleted")
        utf8 = feed.charset == "utf-8"
        record = read_cnmarc(unit, feed) if feed.format == "cnmarc" else pymarc.Record(content, force_utf8=utf8)
        assert record["001"].data == row["control_number"]
        tags = [field.tag for field in record.fields]
        assert tags == sorted(tags) and ("200" if feed.format == "cnmarc" else "245") in tags


@pytest.mark.parametrize("feed", [f for f in FOLDERS if f.format == "cnmarc"], ids=lambda feed: feed.source_id)
def test_cnmarc_has_the_han_title_of_the_book(home, truth, originals, feed):
    rows = [row for row in truth if row["source_id"] == feed.source_id]
    compared = 0
    for row, unit in zip(rows, units(home, feed), strict=True):
        if row["state"] == "damaged" or not row["chinese"] or TITLE_CHANGES & set(row["variations"]):
            continue
        record = read_cnmarc(unit, feed)
        linked = (f for f in originals[row["book_id"]].all("880") if value(f, "6").startswith("245"))
        expected = next(linked, originals[row["book_id"]].first("245"))
        assert record["200"]["a"] == value(expected, "a").strip(" /:;,=.．，：；／")
        assert len(record["100"]["a"]) == 36 and record["100"]["a"][26:34] == feed.label
        compared += 1
    assert compared


def test_marc8_is_marc8(home, truth, originals):
    feed = next(feed for feed in FEEDS if feed.charset == "marc-8")
    rows = [row for row in truth if row["source_id"] == feed.source_id]
    beyond_ascii = 0
    for row, unit in zip(rows, units(home, feed), strict=True):
        if row["state"] == "damaged" or TITLE_CHANGES & set(row["variations"]):
            continue
        title = pymarc.Record(unit + b"\x1d")["245"]["a"]
        expected = value(originals[row["book_id"]].first("245"), "a")
        assert unicodedata.normalize("NFC", expected) == title
        beyond_ascii += any(byte >= 0x80 for byte in unit)
    assert beyond_ascii


def test_each_kind_of_damage_is_there_and_named(home, truth):
    with (home / "sample" / "damage.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"wrong_length", "directory_off_by_one", "bad_bytes", "cut"}
    named = {(row["source_id"], row["record_id"]) for row in rows}
    assert named == {(row["source_id"], row["record_id"]) for row in truth if row["state"] == "damaged"}
    assert all((home / "sample" / "exports" / row["source_id"] / row["file"]).exists() for row in rows)


def test_the_registry_accepts_it(home):
    found = registry.load(home / "registry")
    assert len(found.members) >= 12
    assert {source.source_id for source in found.sources} == {f.source_id for f in FEEDS} | {
        libraries.usage_source(kind, member) for kind, members in USAGE.items() for member in members
    }
    assert all("Demo Library" in m.name_en and "演示图书馆" in m.name_zh for m in found.members)
    for source in found.sources:
        if source.protocol == "folder":
            assert list((home / source.address).iterdir()), source.source_id


def test_a_registry_of_other_libraries_is_left_alone(home, tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "members.csv").write_text("code,name_zh\n211011,某馆\n", "utf-8")
    with pytest.raises(libraries.RegistryInUse, match="211011"):
        build.build(FILES, records=50)
    assert not (tmp_path / "sample").exists()


def test_loans_agree_with_the_items(home, truth):
    for member in LENDERS:
        barcodes = set()
        for feed in (feed for feed in FOLDERS if feed.member == member):
            rows = [row for row in truth if row["source_id"] == feed.source_id]
            tag, code = {"cnmarc-905": ("905", "b"), "cnmarc-906": ("906", "b")}.get(feed.holdings, ("952", "p"))
            for row, unit in zip(rows, units(home, feed), strict=True):
                if row["state"] == "live":
                    encoding = {"file_encoding": feed.charset, "force_utf8": feed.charset == "utf-8"}
                    fields = pymarc.Record(unit + b"\x1d", **encoding).get_fields(tag)
                    barcodes |= {text for field in fields for text in field.get_subfields(code)}
        events = list(_events(home / "sample" / "exports" / libraries.usage_source("loans", member), member))
        assert len({event["event_id"] for event in events}) == len(events) > 20
        kinds = {event["event_type"] for event in events}
        assert {"loan", "renew", "return"} <= kinds <= {"loan", "renew", "return", "hold", "inhouse", "lost"}
        if not any(feed.oai for feed in FEEDS if feed.member == member):
            unknown = {event["barcode"] for event in events} - barcodes
            assert all(barcode[0] == "X" and barcode[1:] in barcodes for barcode in unknown)
        assert all(loans.acquired(e["barcode"]).isoformat() <= e["event_time"][:10] for e in events
                   if e["event_type"] == "loan" and e["barcode"] in barcodes)  # fmt: skip
        assert len([event for event in events if not _is_time(event["event_time"])]) == 2


def _events(folder, member):
    """The events of a member's log under the names of the exchange, whatever form it has."""
    writing = loans.WRITINGS.get(member)
    names = {said: name for name, said in writing.names.items()} if writing else {}
    for file in sorted(folder.iterdir()):
        charset, delimiter = (writing.charset, writing.delimiter) if writing else ("utf-8", ",")
        with file.open(encoding=charset, newline="") as lines:
            next(lines)
            for row in csv.reader(lines, delimiter=delimiter):
                event = dict(zip(loans.COLUMNS, row, strict=True))
                yield event | {"event_type": names.get(event["event_type"], event["event_type"])}


def _is_time(text):
    try:
        datetime.fromisoformat(text)
        return True
    except ValueError:
        return False


def test_a_file_without_chinese_books_still_gives_a_consortium(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    western = b"\x1d".join(u for u in FILES[0].read_bytes().split(b"\x1d") if b"880" not in u[:400])
    (tmp_path / "western.mrc").write_bytes(western)
    summary = build.build(tmp_path / "western.mrc", records=200)
    assert 150 <= summary["records"] <= 260
    registry.load(tmp_path / "registry")
    assert all((tmp_path / "sample" / "exports" / feed.source_id).is_dir() for feed in FOLDERS)


@pytest.mark.parametrize("content", [b"", b"no MARC here\n", b"\x1d\x1d"])
def test_a_file_that_is_no_marc_is_refused_and_the_old_sample_stays(tmp_path, monkeypatch, content):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    build.build(FILES[1], records=60)
    before = digests(tmp_path)
    (tmp_path / "x.mrc").write_bytes(content)
    with pytest.raises(books.NoBooks):
        build.build(tmp_path / "x.mrc", records=60)
    assert digests(tmp_path) == before


def test_a_few_books_are_nearly_everywhere_and_most_in_one_place():
    with books.open_shelf(FILES) as shelf:
        copies = books.share_out(shelf.units, 20_000, seed=1)
    held = Counter(len(set(copy.feeds)) for copy in copies)
    total = sum(len(copy.feeds) for copy in copies)
    assert abs(total - 20_000) < 600
    assert held[1] == max(held.values()) and held[1] > 2 * held[2]
    assert max(held) >= 14
    sizes = Counter(feed for copy in copies for feed in copy.feeds)
    assert max(sizes.values()) > 4 * min(sizes.values())
    assert any(len(copy.feeds) > len(set(copy.feeds)) for copy in copies), "a library has a book twice"

"""Feedback packages: what is in them, that editors open the records, and what got better since."""

import csv
import io
import shutil
import subprocess
import zipfile

import pymarc
import pytest

from quality import decisions, openable
from quality.feedback import FeedbackError, feedback, runs, zipped
from tests.quality import small_lake
from tests.transforms.marc_records import build as marc
from warehouse import lake
from warehouse.publish import publish

FIRST, SECOND = small_lake.BUILD, "20260107T000000000000Z"
SOUND = marc([("001", "7"), ("245", "00\x1fa红楼梦"), ("300", "  \x1fa326 p.")])


@pytest.fixture
def small(tmp_path, monkeypatch):
    return small_lake.make(tmp_path, monkeypatch)


def made(run: str = "run-1") -> None:
    (outcome,) = publish(run)
    assert outcome.verdict == "complete"
    (outcome,) = feedback(run)
    assert (outcome.verdict, outcome.received, outcome.staged) == ("complete", 3, 3)


def read(member: str, name: str, build: str = FIRST) -> list[dict[str, str]]:
    content = (lake.feedback(member) / build / name).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8 only so"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_package_has_every_defect_with_texts_in_both_languages(small):
    made()
    rows = read("A", "defects.csv")
    assert {row["source_id"] for row in rows} == {"a-opac"}
    price = next(row for row in rows if row["rule"].startswith("price"))
    assert price["value"] == "25.00元<script>alert(2)</script>" and price["tag"] == "010"
    assert all(price[name] for name in ("title_zh", "title_en", "advice_zh", "advice_en"))
    assert price["status"] == "open" and price["first_seen"] == "20260106"
    page = (lake.feedback("A") / FIRST / "summary.html").read_text("utf-8")
    assert "示范甲大学图书馆" in page and "Demo Library A" in page and price["title_zh"] in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert read("A", "mended.csv") == []


def test_what_is_waived_is_told_apart(small):
    made()
    rule = read("C", "defects.csv")[0]["rule"]
    decisions.waive(rule, "c-repository", decisions.today(), "li", "agreed")
    made("run-2")
    assert [(row["rule"], row["status"]) for row in read("C", "defects.csv")] == [(rule, "waived")]


def test_making_it_again_gives_the_same_bytes(small):
    made()
    first = {p: p.read_bytes() for p in lake.feedback("A").parent.rglob("*") if p.is_file()}
    archive = zipped("A", FIRST)
    made("run-2")
    assert {p: p.read_bytes() for p in lake.feedback("A").parent.rglob("*") if p.is_file()} == first
    assert zipped("A", FIRST) == archive
    assert f"A-{FIRST}/defects.csv" in zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_what_got_better_since_the_package_before(small, monkeypatch):
    made()
    before = read("A", "defects.csv")
    monkeypatch.setitem(small_lake.BROKEN, "b2", [("801", None)])
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"])
    shutil.copytree(lake.catalog_build(FIRST), lake.catalog_build(SECOND))
    made("run-2")
    assert runs("A") == [FIRST, SECOND]
    left, mended = read("A", "defects.csv", SECOND), read("A", "mended.csv", SECOND)
    assert len(left) + len(mended) == len(before) and len(left) < len(before)
    assert {row["status"] for row in mended} == {"fixed"}
    assert any(row["rule"].startswith("price") for row in mended)
    page = (lake.feedback("A") / SECOND / "summary.html").read_text("utf-8")
    assert "与上一次（2026-01-06）比较" in page
    made("run-3")
    assert read("A", "mended.csv", SECOND) == mended, "a rerun says the same"


def rejected(*contents: bytes, rule: str = "iso2709-length") -> None:
    """Set records aside in b-opac, and publish with the gate on their share left out."""
    small_lake.stage_source("b-opac", small_lake.HELD["b-opac"])
    key = {"source_id": "b-opac", "batch_id": small_lake.BATCH, "file": "a.mrc", "byte_offset": 9, "rule": rule}
    text = {"reason": "length 0 at byte 0", "advice": "export again"}
    small_lake.write(
        lake.staged_batch("b-opac", small_lake.BATCH),
        "staged.rejected",
        [{**key, **text, "record_no": 100 + no, "content": content} for no, content in enumerate(contents)],
    )


def without_gates(monkeypatch) -> None:
    from quality import expectations

    chosen = tuple(one for one in expectations.load() if one.name != "rejected_percent")
    monkeypatch.setattr(expectations, "load", lambda: chosen)


def test_rejected_records_open_in_editors(small, monkeypatch):
    without_gates(monkeypatch)
    wrong_length = b"00000" + SOUND[5:]
    cut = SOUND[:-8]
    xml = b'<record><leader>     nam a22     4a 4500</leader><controlfield tag="001">9</controlfield></record>'
    rejected(SOUND, wrong_length, cut, xml, b"no record\x00at all", b"e1,loan,when?,b1")
    made()
    folder = lake.feedback("B") / FIRST / "rejected"
    assert sorted(p.name for p in folder.iterdir()) == ["b-opac-001.bin", "b-opac.mrc", "b-opac.txt", "b-opac.xml"]
    content = (folder / "b-opac.mrc").read_bytes()
    assert content.startswith(SOUND), "what is right goes as it came"
    titles = [record["245"]["a"] for record in pymarc.MARCReader(io.BytesIO(content), force_utf8=True)]
    assert titles == ["红楼梦"] * 3
    (record,) = pymarc.parse_xml_to_array(folder / "b-opac.xml")
    assert record["001"].data == "9"
    assert (folder / "b-opac-001.bin").read_bytes() == b"no record\x00at all"
    listed = read("B", "rejected.csv")
    assert [(row["package_file"], row["position"]) for row in listed] == [
        ("rejected/b-opac.mrc", "1"),
        ("rejected/b-opac.mrc", "2"),
        ("rejected/b-opac.mrc", "3"),
        ("rejected/b-opac.xml", "1"),
        ("rejected/b-opac-001.bin", "1"),
        ("rejected/b-opac.txt", "1"),
    ]
    assert [bool(row["note_zh"]) for row in listed] == [False, True, True, False, True, False]


@pytest.mark.skipif(not shutil.which("yaz-marcdump"), reason="no yaz-marcdump (apt-get install yaz)")
def test_yaz_reads_what_was_put_together(tmp_path):
    whole = [SOUND, b"00000" + SOUND[5:], SOUND[:-8], SOUND[:20] + b"xxxx" + SOUND[24:]]
    path = tmp_path / "a.mrc"
    path.write_bytes(b"".join(openable.opened(record).content for record in whole))
    shown = subprocess.run(["yaz-marcdump", "-n", path], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "arning" not in shown.stdout + shown.stderr, shown.stdout
    shown = subprocess.run(["yaz-marcdump", path], capture_output=True, text=True, check=False).stdout
    assert shown.count("红楼梦") == 4 and shown.count("245 00") == 4


def test_personal_data_is_named_and_not_given(small, monkeypatch):
    without_gates(monkeypatch)
    rejected(SOUND, rule="possible-personal-data")
    made()
    assert list((lake.feedback("B") / FIRST / "rejected").iterdir()) == []
    (row,) = read("B", "rejected.csv")
    assert row["package_file"] == "" and "个人信息" in row["note_zh"]


@pytest.mark.parametrize("value", ["=HYPERLINK(1)", "+1", "-1", "@x"])
def test_a_spreadsheet_takes_nothing_for_a_formula(small, monkeypatch, value):
    fields = [("010", {"a": "7-5037-2790-1", "d": value}), ("801", None)]
    monkeypatch.setitem(small_lake.BROKEN, "b2", fields)
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"])
    made()
    values = [row["value"] for row in read("A", "defects.csv")]
    assert not any(text[:1] in tuple("=+-@") for text in values if text)
    assert f"'{value}" in values


def test_nor_does_it_take_a_control_number_for_one(small, monkeypatch):
    without_gates(monkeypatch)
    rejected(SOUND)
    folder = lake.staged_batch("b-opac", small_lake.BATCH)
    for name in ("issue", "rejected"):
        table = lake.read_table(
            "quality.issue" if name == "issue" else "staged.rejected", [folder / f"{name}.parquet"]
        )
        given = [{**row, "record_id": "=1+1"} for row in table.to_pylist()]
        small_lake.write(folder, "quality.issue" if name == "issue" else "staged.rejected", given)
    made()
    for file in ("defects.csv", "rejected.csv"):
        named = {row["record_id"] for row in read("B", file)}
        assert "'=1+1" in named and "=1+1" not in named, file


def test_a_member_that_is_not_there_is_named(small):
    publish("run-1")
    with pytest.raises(FeedbackError, match="no member X"):
        feedback("run-1", ["A", "X"])
    (outcome,) = feedback("run-1", ["A"])
    assert outcome.staged == 1 and runs("A") == [FIRST] and runs("B") == []


def test_nothing_published_says_what_to_run(lake_home):
    (outcome,) = feedback("run-1")
    assert outcome.verdict == "failed" and "calis publish" in outcome.reason

"""A member takes its package, mends what came back and sends it again: its defects close by themselves."""

import csv
import io
import shutil
import subprocess
import zipfile

import pymarc
import pytest

from quality import decisions
from quality.feedback import feedback, runs, zipped
from tests.quality import arrivals
from tests.quality.arrivals import S, book, books, land, untitled
from transforms import catalog
from transforms.stage import stage
from warehouse import build
from warehouse.publish import publish

SHORT = "980101s1998"  # an 008 that is too short


@pytest.fixture(autouse=True)
def lake_with_registry(lake_home):
    arrivals.registry()


def package(run: str) -> zipfile.ZipFile:
    """What the member `m` downloads after a run of all stages."""
    stage(S, run)
    for outcomes in (catalog.build(run), publish(run), feedback(run)):
        assert outcomes[-1].verdict in ("complete", "unchanged"), outcomes[-1].reason
    return zipfile.ZipFile(io.BytesIO(zipped("m", runs("m")[-1])))


def content(of: zipfile.ZipFile, name: str) -> bytes:
    return of.read(next(member for member in of.namelist() if member.endswith(f"/{name}")))


def lines(of: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(of, name).decode("utf-8-sig"), newline="")))


def score() -> float:
    return build.query("SELECT score FROM quality.score WHERE source_id = 's'").to_pylist()[0]["score"]


def test_what_is_sent_again_closes_its_defects(tmp_path):
    land(books(range(60)) + book(700, coded=SHORT) + untitled(range(900, 902)))
    first = package("one")
    before = score()
    assert {row["rule"]: row["status"] for row in lines(first, "defects.csv")}["field-008-length"] == "open"
    assert [row["rule"] for row in lines(first, "rejected.csv")] == ["missing-title"] * 2

    mended = []
    for record in pymarc.MARCReader(io.BytesIO(content(first, "s.mrc"))):
        record.add_ordered_field(pymarc.Field("245", ["0", "0"], [pymarc.Subfield("a", "Now with a title")]))
        mended.append(record.as_marc())
    land(b"".join(mended) + book(700))
    second = package("two")
    closed = {(row["rule"], row["record_id"]): row["status"] for row in lines(second, "mended.csv")}
    assert closed["field-008-length", "00700"] == closed["missing-title", "00900"] == "fixed"
    assert lines(second, "rejected.csv") == [] and not {row["rule"] for row in lines(second, "defects.csv")} & {
        "field-008-length",
        "missing-title",
    }
    assert score() > before
    page = content(second, "summary.html").decode()
    mended_row = page[page.index("已改正") :]
    assert f'<td class="n">{len(closed)}</td>' in mended_row[:200]

    land(book(701))
    third = package("three")
    assert lines(third, "mended.csv") == [], "what was told once is not told again"


def test_a_delivery_that_is_held_is_told_to_the_member_without_what_staff_are_to_do():
    land(books(range(60)), full=True)
    package("one")
    land(books(range(20)), full=True)
    told = content(package("two"), "summary.html").decode()
    assert "待人工处理 held" in told and "现有记录比以前减少的百分比 ≤ 20" in told
    assert "ask the member before its records are withdrawn" in told and "calis gate" not in told
    (waiting,) = decisions.held(["s"])
    assert waiting.batch_id in told


@pytest.mark.skipif(not shutil.which("yaz-marcdump"), reason="no yaz-marcdump (apt-get install yaz)")
def test_rejected_marcxml_opens_in_yaz_and_pymarc(tmp_path):
    fields = '<controlfield tag="001">9{}</controlfield><datafield tag="100" ind1="1" ind2=" ">{}</datafield>'
    names = '<subfield code="a">李 &amp; &lt;b&gt;</subfield>'
    records = "".join(
        f"<record><leader>     nam a22     4a 4500</leader>{fields.format(n, names)}</record>" for n in range(2)
    )
    land(books(range(60)))
    stage(S, "zero")
    land(f"<collection xmlns='http://www.loc.gov/MARC21/slim'>{records}</collection>".encode())
    made = package("one")
    path = tmp_path / "s.xml"
    path.write_bytes(content(made, "s.xml"))
    opened = pymarc.parse_xml_to_array(path)
    assert [record["001"].data for record in opened] == ["90", "91"]
    assert opened[0]["100"]["a"] == "李 & <b>"
    shown = subprocess.run(["yaz-marcdump", "-i", "marcxml", path], capture_output=True, text=True, check=True)
    assert shown.stdout.count("100 1  $a 李 & <b>") == 2 and shown.stderr == ""

"""The review page in a browser: decide, download, import, rebuild, and the pair is one bib."""

import csv

import pytest

from quality.report import report
from quality.review import marked
from tests.transforms.staged_records import ANALYSIS, HAMLET, register, stage
from transforms import catalog, judgement
from transforms.judgement_csv import take_file
from warehouse import engine, lake
from warehouse.publish import publish

from .browsing import browser, needs_chromium, page, playwright  # noqa: F401

pytestmark = needs_chromium
expect = playwright.expect
DOUBTFUL = HAMLET | {"pub_year": 2000, "isbn": [], "publisher": None, "extent": None, "pub_place": "Londres"}
HOSTILE = {"edition": "<script>alert(1)</script>\"'&", "resp_first": "<b>W. Sh.</b>"}
EARLY = {
    "title": "Opticks", "creators": ["Newton, Isaac"], "pub_year": 1704, "lang": "eng", "kind": "book",
    "carrier": "print", "publisher": "Smith",
}  # fmt: skip


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    register({"a-1": "M1", "b-2": "M2"})
    others = [ANALYSIS | {"volume_no": str(number)} for number in range(6)]  # a gate counts what goes away
    stage("a-1", [HAMLET | HOSTILE, EARLY, *others])
    stage("b-2", [DOUBTFUL | {"resp_first": "<b>W. Sx.</b>"}, EARLY | {"publisher": "Walford"}])
    assert catalog.build("one")[-1].verdict == "complete"
    published()
    return lake.site().as_uri()


def published():
    (outcome,) = publish("run")
    assert outcome.verdict == "complete", outcome.reason
    assert report("run")[0].verdict == "complete"


def bib_of():
    with engine.open_lake() as con:
        return dict(con.execute("SELECT source_id || '/' || record_id, bib_id FROM catalog.bib_record").fetchall())


def hamlet(page):  # noqa: F811
    return page.locator("article.pair", has_text="Hamlet")


def test_decide_download_import_and_rebuild(page, site, tmp_path):  # noqa: F811
    page.goto(f"{site}/index.html")
    page.get_by_role("link", name="待审核", exact=True).click()
    expect(page.locator("article.pair")).to_have_count(2)  # a click does not wait for the page that it leads to
    hamlet(page).get_by_label("理由").fill('同一版次, "两馆"著录\n不同')
    hamlet(page).get_by_role("button", name="合并").click()
    page.locator("article.pair", has_text="Opticks").get_by_role("button", name="以后再说").click()
    page.get_by_role("button", name="下载 CSV").click()
    assert page.get_by_text("请先填写审核人").is_visible()
    page.get_by_label("审核人").fill("李老师")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="下载 CSV").click()
    assert not page.get_by_text("请先填写审核人").is_visible()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert row["why"].startswith('同一版次, "两馆"著录')

    before = bib_of()
    assert before["a-1/000"] != before["b-2/000"]
    taken = take_file(file)
    assert (len(taken.new), taken.refused, taken.unknown) == (1, [], [])
    assert judgement.load()[0].who == "李老师"
    assert catalog.build("two")[-1].verdict == "complete"
    after = bib_of()
    assert after["a-1/000"] == after["b-2/000"]
    assert after["a-1/001"] != after["b-2/001"]
    published()
    page.reload()
    assert page.locator("article.pair").count() == 1
    assert hamlet(page).count() == 0


def test_decisions_stay_and_can_be_taken_back(page, site):  # noqa: F811
    page.goto(f"{site}/review.html")
    page.get_by_label("审核人").fill("Li")
    hamlet(page).get_by_role("button", name="分开").click()
    page.reload()
    assert page.get_by_label("审核人").input_value() == "Li"
    button = hamlet(page).get_by_role("button", name="分开")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("[data-decided]").first.inner_text() == "1"
    button.click()
    assert page.locator("[data-decided]").first.inner_text() == "0"
    page.reload()
    assert hamlet(page).get_by_role("button", name="分开").get_attribute("aria-pressed") == "false"


def test_what_was_downloaded_can_be_forgotten(page, site):  # noqa: F811
    page.goto(f"{site}/review.html")
    page.get_by_label("审核人").fill("Li")
    hamlet(page).get_by_role("button", name="分开").click()
    page.get_by_role("button", name="清除已下载的判定").click()
    assert page.locator("[data-decided]").first.inner_text() == "1"
    with page.expect_download():
        page.get_by_role("button", name="下载 CSV").click()
    page.get_by_role("button", name="清除已下载的判定").click()
    assert page.locator("[data-decided]").first.inner_text() == "0"


def test_records_are_escaped_and_differing_characters_marked(page, site):  # noqa: F811
    page.goto(f"{site}/review.html")
    rows = hamlet(page).locator("table.sides tbody tr")
    assert "<script>alert(1)</script>\"'&" in rows.filter(has_text="版本").inner_text()
    responsibility = rows.filter(has_text="责任说明")
    assert responsibility.locator("mark").all_inner_texts() == ["h", "x"]
    assert "<b>W. Sh.</b>" in responsibility.inner_text()
    assert "differs" not in (rows.filter(has_text="正题名").get_attribute("class") or "")
    assert rows.filter(has_text="出版年").get_attribute("class") == "differs"


def test_the_page_fits_a_phone_in_both_languages(page, site):  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site}/review.html")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="English").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert hamlet(page).get_by_role("button", name="Join").is_visible()
    assert not hamlet(page).get_by_role("button", name="合并").is_visible()
    hamlet(page).locator("summary", has_text="Score card").click()
    assert hamlet(page).get_by_text("year of publication two apart").is_visible()


def test_marked_texts_are_escaped_wherever_they_differ():
    assert marked("a<b>", "a<i>") == ("a&lt;<mark>b</mark>&gt;", "a&lt;<mark>i</mark>&gt;")
    assert marked("數學", "数学") == ("<mark>數學</mark>", "<mark>数学</mark>")
    assert marked("<" * 601, "x")[0].startswith("<mark>&lt;")

import re
import zipfile

import duckdb
import pytest

from quality import decisions
from quality.feedback import feedback
from quality.report import report
from tests.quality import small_lake
from warehouse import lake
from warehouse.outcome import Outcome
from warehouse.publish import publish

from .browsing import browser, needs_chromium, page, playwright, serious_faults  # noqa: F401

pytestmark = needs_chromium
expect = playwright.expect
PAGES = [
    "index.html",
    "members/A.html",
    "rules.html",
    "rules/bad-isbn.html",
    "runs.html",
    "groups.html",
    "metrics.html",
    "directors.html",
    "dictionary.html",
    "batches.html",
    "review.html",
]
HOSTILE = "\"'><script>alert(4)</script><img src=x onerror=alert(5)>"  # in every text that comes from outside
FAILED = "20260107T000000000000Z"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        hostile = small_lake.MEMBERS.replace(
            "学院图书馆,Demo Library B", f"学院图书馆{HOSTILE},Demo Library B{HOSTILE}"
        )
        patch.setattr(small_lake, "MEMBERS", hostile)
        price = ("010", {"a": "7-5037-2790-1", "d": f"25元{HOSTILE}"})
        patch.setitem(small_lake.BROKEN, "b2", [price, *small_lake.BROKEN["b2"][1:]])
        title = [("b1", f"红楼梦{HOSTILE}", *small_lake.BIBS[0][2:]), *small_lake.BIBS[1:]]
        patch.setattr(small_lake, "BIBS", title)
        small_lake.make(tmp_path_factory.mktemp("lake"), patch)
        decisions.waive("bad-isbn", "a-opac", decisions.today(), f"li{HOSTILE}", f"gifts{HOSTILE}")
        decisions.end_waiver("bad-isbn", "a-opac", "li", HOSTILE)
        reason = "the server answers 503 <img src=x onerror=alert(3)> | 服务器返回 503"
        Outcome("harvest", "b-opac", FAILED, "run-2", "failed", reason=reason).record()
        assert publish("run-1")[0].verdict == "complete"
        assert feedback("run-1")[0].verdict == "complete"
        assert report("run-1")[0].verdict == "complete"
        _keep_hostile_rows()
        assert report("run-1")[0].verdict == "complete"
        yield lake.site().as_uri()


def _keep_hostile_rows():
    """What the small lake does not have, with markup in its texts: a doubtful pair, an agency, a decision."""
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute(
            """INSERT INTO catalog.review BY NAME SELECT 'a-opac' AS left_source_id, $1 AS left_record_id,
            'b-opac' AS right_source_id, 'r1' AS right_record_id, 'b1' AS left_bib_id, 'b3' AS right_bib_id,
            0.87 AS score, 'title' AS rule, 1 AS left_members, 1 AS right_members, 1.0 AS usefulness""",
            [HOSTILE],
        )
        con.execute(
            "INSERT INTO quality.score_history SELECT * REPLACE ('agency' AS scope, $1 AS name) "
            "FROM quality.score_history WHERE scope = 'member' LIMIT 1",
            [HOSTILE],
        )
        con.execute(
            "INSERT INTO quality.decision VALUES ('b-opac', $1, 'reject', $2, $2, TIMESTAMP '2026-01-08')",
            [FAILED, HOSTILE],
        )


def batch_page():
    return f"batches/b-opac--{FAILED}.html"


@pytest.mark.parametrize(
    ("name", "chinese", "charts"),
    [
        ("index.html", "示范甲大学图书馆", 4),
        ("members/A.html", "需要改正的问题", 3),
        ("rules.html", "缺正题名", 0),
        ("rules/bad-isbn.html", "示例记录", 0),
        ("runs.html", "运行历史", 0),
        ("groups.html", "地区中心", 0),
        ("batches.html", "示范乙学院图书馆", 0),
        ("review.html", "评分明细", 0),
        ("metrics.html", "字段完备度", 0),
        ("directors.html", "各馆流通", 6),
        ("dictionary.html", "联合目录书目号", 0),
        (batch_page(), "各阶段", 0),
    ],
)
def test_page_shows_chinese_and_charts(page, site, name, chinese, charts):  # noqa: F811
    page.goto(f"{site}/{name}")
    assert page.get_by_text(chinese).first.is_visible()
    assert page.locator("figure svg").count() == charts
    for bar in page.locator("figure svg").all():
        assert max(rect.bounding_box()["height"] for rect in bar.locator("rect.bar").all()) > 0
        assert bar.locator("xpath=..").locator("details table tbody tr").count() > 0


def test_text_from_outside_is_shown_as_it_is_on_every_page(page, site):  # noqa: F811
    """The page notes each error and dialog: none of what stands in the texts ran, in either language."""
    shown = 0
    for file in sorted(lake.site().rglob("*.html")):
        for language in ("zh", "en"):
            opened(page, f"{file.as_uri()}?language={language}")
            assert page.locator("img, script:not([src]):not([type='application/json'])").count() == 0, file
            shown += HOSTILE in page.locator("body").inner_text()
    assert shown > 12  # overview, members, rules, examples, batches, review, groups: in both languages
    assert page.errors == []


def test_wrong_parameters_of_an_address_change_nothing(page, site):  # noqa: F811
    for query in ("language=<script>", "state=nonsense&rule=%3Cb%3E", "province=99&page=-5", "words=%E0%A4%A"):
        page.goto(f"{site}/index.html?{query}")
        expect(page.locator("#member-table")).to_be_visible()
    assert page.errors == []


def opened(page, address):  # noqa: F811
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", [*PAGES, batch_page()])
def test_axe_finds_no_serious_fault(page, site, name, language):  # noqa: F811
    opened(page, f"{site}/{name}?language={language}")
    assert serious_faults(page) == []


@pytest.mark.parametrize("name", ["index.html", "rules/bad-isbn.html", batch_page()])
def test_axe_finds_no_serious_fault_in_the_dark(page, site, name):  # noqa: F811
    page.emulate_media(color_scheme="dark")
    opened(page, f"{site}/{name}")
    assert serious_faults(page) == []


def test_language_switch_shows_one_language_at_a_time(page, site):  # noqa: F811
    page.goto(f"{site}/members/A.html")
    chinese, english = page.get_by_text("需要改正的问题"), page.get_by_text("What to mend")
    assert chinese.is_visible() and not english.is_visible()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.get_by_role("button", name="English").click()
    assert english.is_visible() and not chinese.is_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("button", name="English").get_attribute("aria-pressed") == "true"
    page.goto(f"{site}/index.html")
    assert page.get_by_role("heading", level=1).inner_text() == "Overview"
    assert page.locator("select[name=kind] option").all_inner_texts()[1].startswith("research")
    page.get_by_role("button", name="中文").click()
    assert page.locator("select[name=kind] option").all_inner_texts()[1].startswith("研究机构")


def test_from_the_overview_to_a_member_to_a_rule(page, site):  # noqa: F811
    page.goto(f"{site}/index.html")
    page.get_by_role("link", name="示范甲大学图书馆").click()
    page.wait_for_url("**/members/A.html")
    page.get_by_role("link", name="bad-isbn").click()
    page.wait_for_url("**/rules/bad-isbn.html")  # a click does not wait for the page that it leads to
    assert page.locator("tr.marked mark").inner_text() == "7-5037-2790-1"
    page.get_by_role("link", name="示范甲大学图书馆").click()
    page.wait_for_url("**/members/A.html")
    page.get_by_role("link", name="总览").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("总览"))


def test_filter_and_sort_the_members(page, site):  # noqa: F811
    page.goto(f"{site}/index.html")
    rows = page.locator("#member-table tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_label("搜索").fill("上海 乙")
    expect(rows).to_have_count(1)
    assert "示范乙学院图书馆" in rows.inner_text()
    page.get_by_role("button", name="清除筛选").click()
    expect(rows).to_have_count(3)
    page.get_by_label("类型").select_option("research")
    expect(rows).to_have_count(1)
    assert "示范丙" in rows.inner_text()
    page.get_by_role("button", name="清除筛选").click()
    page.get_by_label("触犯规则").select_option("bad-isbn")
    expect(rows).to_have_count(1)
    assert "示范甲" in rows.inner_text()
    page.get_by_role("button", name="清除筛选").click()
    page.get_by_label("地区中心").select_option("华东")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="清除筛选").click()
    page.locator("button[data-province='44']").click()
    expect(rows).to_have_count(1)
    assert "示范丙" in rows.inner_text()
    page.locator("button[data-province='44']").click()
    page.get_by_role("button", name="评分", exact=True).click()
    scores = [
        float(text.split()[0]) for text in page.locator("#member-table tbody td:nth-child(2)").all_inner_texts()
    ]
    assert len(scores) == 3 and scores == sorted(scores) and len(set(scores)) > 1
    assert page.locator("#member-table th[aria-sort=ascending]").count() == 1


def test_what_fails_is_found_from_the_overview_with_its_reason_and_since_when(page, site):  # noqa: F811
    page.goto(f"{site}/index.html")
    page.get_by_role("link", name="馆采集或入库异常").click()
    row = page.locator("#member-table tbody tr")
    expect(row).to_have_count(1)
    assert "失败" in row.inner_text()
    row.get_by_role("link").click()
    page.wait_for_url("**/members/B.html")
    expect(page.get_by_text("服务器返回 503").first).to_be_visible()
    page.get_by_role("link", name="详情").first.click()
    page.wait_for_url(f"**/{batch_page()}")
    expect(page.get_by_text("服务器返回 503").first).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_text("the server answers 503 <img src=x onerror=alert(3)>")).to_be_visible()


def test_download_the_package_of_a_member(page, site, tmp_path):  # noqa: F811
    page.goto(f"{site}/members/A.html")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="下载反馈包").click()
    assert downloading.value.suggested_filename == "A.zip"
    downloading.value.save_as(tmp_path / "A.zip")
    with zipfile.ZipFile(tmp_path / "A.zip") as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        defects = archive.read(next(name for name in archive.namelist() if name.endswith("defects.csv")))
    assert "summary.html" in names and "bad-isbn" in defects.decode("utf-8-sig")


@pytest.mark.parametrize("name", [*PAGES, batch_page()])
def test_page_fits_a_phone(page, site, name):  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site}/{name}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="English").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_skip_link_is_the_first_stop_of_the_keyboard(page, site):  # noqa: F811
    page.goto(f"{site}/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#main' && document.activeElement.id === 'main'")


def test_without_scripts_the_page_shows_chinese_and_all_members(browser, site):  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()  # noqa: F811
    page.goto(f"{site}/index.html")
    assert page.get_by_text("成员馆记录").is_visible() and not page.get_by_text("Member records").is_visible()
    page.get_by_role("link", name="示范丙研究所图书馆").click()
    page.wait_for_url("**/members/C.html")
    context.close()

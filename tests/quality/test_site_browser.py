from pathlib import Path

import pytest

from quality.report import report
from tests.quality import small_lake
from warehouse import lake
from warehouse.publish import publish

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        small_lake.make(tmp_path_factory.mktemp("lake"), patch)
        assert publish("run-1")[0].verdict == "complete"
        assert report("run-1")[0].verdict == "complete"
        yield lake.site().as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that notes every address asked for, every error, and every dialog that a record could raise."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: (page.errors.append(dialog.message), dialog.dismiss()))
    yield page
    assert page.errors == []
    assert [url for url in page.asked if not url.startswith(("file://", "data:"))] == []
    page.close()


@pytest.mark.parametrize(
    ("name", "chinese", "charts"),
    [
        ("index.html", "示范甲大学图书馆", 5),
        ("members/A.html", "需要改正的问题", 3),
        ("rules.html", "缺正题名", 0),
    ],
)
def test_page_shows_chinese_and_charts(page, site, name, chinese, charts):
    page.goto(f"{site}/{name}")
    assert page.get_by_text(chinese).first.is_visible()
    assert page.locator("figure svg").count() == charts
    for bar in page.locator("figure svg").all():
        assert max(rect.bounding_box()["height"] for rect in bar.locator("rect.bar").all()) > 0
        assert bar.locator("xpath=..").locator("details table tbody tr").count() > 0


def test_language_switch_shows_one_language_at_a_time(page, site):
    page.goto(f"{site}/members/A.html")
    chinese, english = page.get_by_text("需要改正的问题"), page.get_by_text("What to mend")
    assert chinese.is_visible() and not english.is_visible()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.get_by_role("button", name="English").click()
    assert english.is_visible() and not chinese.is_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("button", name="English").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="中文").click()
    assert chinese.is_visible()


def test_from_the_overview_to_a_member_to_a_rule(page, site):
    page.goto(f"{site}/index.html")
    page.get_by_role("link", name="示范甲大学图书馆").click()
    page.get_by_role("link", name="bad-isbn").click()
    assert page.url.endswith("rules.html#bad-isbn")
    assert page.locator("#bad-isbn").is_visible()
    page.get_by_role("link", name="总览").click()
    assert page.get_by_role("heading", level=1).inner_text() == "总览"


def test_filter_and_sort_the_members(page, site):
    page.goto(f"{site}/index.html")
    rows = page.locator("#member-table tbody tr:visible")
    assert rows.count() == 3
    page.get_by_label("筛选").fill("上海")
    assert rows.count() == 1 and "示范乙学院图书馆" in rows.inner_text()
    page.get_by_label("筛选").fill("")
    page.get_by_role("button", name="评分", exact=True).click()
    scores = [
        float(text.split()[0]) for text in page.locator("#member-table tbody td:nth-child(5)").all_inner_texts()
    ]
    assert scores == sorted(scores) and len(set(scores)) > 1
    assert page.locator("#member-table th[aria-sort=ascending]").count() == 1


@pytest.mark.parametrize("name", ["index.html", "members/A.html", "rules.html"])
def test_page_fits_a_phone(page, site, name):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site}/{name}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_skip_link_is_the_first_stop_of_the_keyboard(page, site):
    page.goto(f"{site}/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_without_scripts_the_page_shows_chinese(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/index.html")
    assert page.get_by_text("成员馆记录").is_visible() and not page.get_by_text("Member records").is_visible()
    context.close()

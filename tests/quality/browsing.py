"""Fixtures of browser tests: Debian's Chromium, a page that notes what goes wrong, axe-core, kept screenshots."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from warehouse import lake

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="no browser driver: pip install -e '.[dev]'")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's chromium (apt-get install chromium)"
)
SCREENSHOTS = lake.CHECKOUT / "var" / "screenshots"  # no part of the project; looked at by people
PATIENCE = 120_000  # milliseconds on a machine that does much else; what is waited for is mostly there at once
playwright.expect.set_options(timeout=PATIENCE)
HERE = {"file", "data", "blob"}  # schemes of a page from a folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request):
    """A page that notes every address asked for, every error, and every dialog that a record could raise.

    At the end a screenshot is kept in SCREENSHOTS.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    watch(page)
    yield page
    file = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', request.node.name)}.png"
    page.screenshot(path=file, full_page=True)
    print(f"screenshot: {file}")
    assert page.errors == []
    assert outside(page) == []
    page.close()


def watch(page):
    """Let a page note what it asks for and what goes wrong; an address outside this machine is never reached."""
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: (page.errors.append(dialog.message), dialog.dismiss()))
    page.route(lambda url: is_outside(url), lambda route: route.abort())


def is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in HERE and parts.hostname != "127.0.0.1"


def outside(page) -> list[str]:
    return [url for url in page.asked if is_outside(url)]


def serious_faults(page) -> list[str]:
    """What axe-core takes for a serious or critical fault, with the elements concerned."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe-core: pip install -e '.[dev]'"
    ).Axe()
    options = {"preload": False, "resultTypes": ["violations"]}  # all it needs is in the page
    found = axe.run(page, options=options).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"][:3]
    ]

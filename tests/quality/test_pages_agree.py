"""Pages against the file that they are made from: numbers, waivers, links."""

import json
import re
from datetime import timedelta
from urllib.parse import unquote

import pytest

from quality import decisions
from quality.feedback import feedback
from quality.report import report
from quality.site.published import Published
from tests.quality import small_lake
from warehouse import build, lake
from warehouse.outcome import Outcome
from warehouse.publish import publish

LATER = "20260107T000000000000Z"


@pytest.fixture
def published(tmp_path, monkeypatch):
    small_lake.make(tmp_path, monkeypatch)
    assert publish("run-1")[0].verdict == "complete"


def rows(sql):
    return build.query(sql).to_pylist()


def page(name):
    return (lake.site() / name).read_text("utf-8")


def of_rule(code):
    """What the list of rules says of one: findings, records, members, waived."""
    row = re.search(rf'<tr id="{code}">(.*?)</tr>', page("rules.html"), re.S).group(1)
    return [int(number) for number in re.findall(r'data-value="(\d+)"', row)]


def test_what_is_waived_is_shown_apart_and_counted_nowhere(published):
    report("run-1")
    assert of_rule("dc-no-rights") == [1, 1, 1, 0] and "已豁免" not in page("rules/dc-no-rights.html")
    decisions.waive("dc-no-rights", "c-repository", decisions.today(), "<b>li</b>", "<script>alert(6)</script>")
    publish("run-2")
    report("run-2")
    assert of_rule("dc-no-rights") == [0, 0, 0, 1]
    rule, member, overview = page("rules/dc-no-rights.html"), page("members/C.html"), page("index.html")
    assert "列出而不计" in rule and "示范丙研究所图书馆" in rule
    assert "已豁免 1 处" in member and '<span lang="zh-Hans">已豁免</span>' in member
    assert "&lt;script&gt;alert(6)&lt;/script&gt;" in member and "&lt;b&gt;li&lt;/b&gt;" in member
    assert "豁免不计" in overview
    data = json.loads(re.search(r'id="data">(.*?)</script>', overview).group(1))
    broken = {
        row[data["columns"].index("member_code")]: row[data["columns"].index("rules")] for row in data["rows"]
    }
    assert broken["C"] == [] and broken["A"], "the filter by rule goes by what counts"
    assert rows("SELECT sum(waived) AS n FROM quality.score") == [{"n": 1}]


def test_a_waiver_past_its_day_is_told_before_it_is_published_anew(published, monkeypatch):
    until = decisions.today()
    decisions.waive("dc-no-rights", "c-repository", until, "li", "agreed")
    publish("run-2")
    monkeypatch.setattr(decisions, "today", lambda: until + timedelta(days=1))
    report("run-2")
    assert "已到期，下次发布起重新计入" in page("members/C.html")
    publish("run-3")
    report("run-3")
    assert "已到期" not in page("members/C.html") and "已失效" in page("members/C.html")
    assert of_rule("dc-no-rights") == [1, 1, 1, 0]


def test_numbers_of_pages_are_those_of_the_scores(published):
    decisions.waive("bad-isbn", "a-opac", decisions.today(), "li", "agreed")
    publish("run-2")
    with build.open_published() as con:
        pages = Published(con)
        of_members = {row["member_code"]: row for row in pages.rows("members")}
        found = pages.rows("member_rules")
        (totals,) = pages.rows("totals")
        assert pages.missing == {}
    for code, member in of_members.items():
        own = [row for row in found if row["member_code"] == code]
        assert sum(row["findings"] for row in own) == member["fails"] + member["warns"] + member["rejected"]
        assert sum(row["waived"] for row in own) == member["waived"]
    scored = rows(
        "SELECT member_code, score FROM (SELECT name AS member_code, score, build_id FROM quality.score_history "
        "WHERE scope = 'member' QUALIFY build_id = max(build_id) OVER ())"
    )
    assert {row["member_code"]: row["score"] for row in scored} == {
        code: pytest.approx(member["score"]) for code, member in of_members.items()
    }
    assert totals["waived"] == 1 and totals["fails"] + totals["warns"] == sum(
        member["fails"] + member["warns"] for member in of_members.values()
    )


# --- links -------------------------------------------------------------------------------------------------


def test_every_link_leads_to_a_page_and_a_place_that_are_there(published):
    Outcome("harvest", "b-opac", LATER, "run-2", "failed", reason="no answer | 没有应答").record()
    publish("run-2")
    feedback("run-2")
    report("run-2")
    ids = {
        path: set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8"))) for path in lake.site().rglob("*.html")
    }
    dead = []
    for path in ids:
        for link in re.findall(r'(?:href|src)="([^"]*)"', path.read_text("utf-8")):
            target, _, place = link.partition("#")
            target = target.partition("?")[0]
            file = (path.parent / unquote(target)).resolve() if target else path
            if not link.startswith("data:") and (
                not file.is_file() or (place and unquote(place) not in ids[file])
            ):
                dead.append(f"{path.name}: {link}")
    assert dead == []

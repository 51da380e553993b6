"""Scores of records and groups, their history, and waivers."""

from collections import Counter
from datetime import timedelta

import pytest

from quality import decisions, expectations, rules
from quality.decisions import DecisionError
from tests.quality import small_lake
from warehouse import build, lake
from warehouse.publish import publish

SECOND = "20260107T000000000000Z"


@pytest.fixture
def small(tmp_path, monkeypatch):
    return small_lake.make(tmp_path, monkeypatch)


def rows(sql: str) -> list[dict]:
    return build.query(sql).to_pylist()


def score(source_id: str) -> dict:
    return rows(f"SELECT * FROM quality.score WHERE source_id = '{source_id}'")[0]


def test_a_waived_rule_is_shown_and_not_counted_until_it_ends(small):
    publish("run-1")
    before, issues = score("c-repository"), rows("SELECT * FROM quality.issue")
    (found,) = rows("SELECT rule FROM quality.issue WHERE source_id = 'c-repository'")
    one = decisions.waive(
        found["rule"], "c-repository", decisions.today(), "li", "the rights are the university's"
    )
    publish("run-2")
    after = score("c-repository")
    assert (before["warns"], before["waived"], before["score"]) == (1, 0, 98)
    assert (after["warns"], after["waived"], after["score"], after["with_issue"]) == (0, 1, 100, 0)
    assert rows("SELECT * FROM quality.issue") == issues
    assert rows("SELECT rule, who, until, in_force FROM quality.waiver") == [
        {"rule": one.rule, "who": "li", "until": one.until, "in_force": True}
    ]
    assert decisions.in_force(one.until + timedelta(days=1)) == [], "it expires by itself"
    decisions.end_waiver(one.rule, "c-repository", "li", "the rights came")
    publish("run-3")
    assert score("c-repository")["warns"] == 1
    assert [row["in_force"] for row in rows("SELECT in_force FROM quality.waiver")] == [False, False]


def test_a_waiver_expires_at_the_first_publication_after_its_day(small, monkeypatch):
    (rule,) = {row["rule"] for row in _found("c-repository")}
    until = decisions.today() + timedelta(days=3)
    decisions.waive(rule, "c-repository", until, "li", "agreed")
    seen = {}
    for day in (until, until + timedelta(days=1)):
        with monkeypatch.context() as patch:
            patch.setattr(decisions, "today", lambda day=day: day)
            publish(f"run-{day}")
        (defect,) = rows("SELECT status FROM quality.defect WHERE source_id = 'c-repository'")
        (waiver,) = rows("SELECT in_force FROM quality.waiver")
        (record,) = rows("SELECT waived, score FROM quality.record_score WHERE source_id = 'c-repository'")
        seen[day == until] = (
            score("c-repository")["warns"],
            defect["status"],
            waiver["in_force"],
            record["waived"],
        )
    assert seen == {True: (0, "waived", True, 1), False: (1, "open", False, 0)}


def _found(source_id: str) -> list[dict]:
    publish("run-0")
    return rows(f"SELECT rule FROM quality.issue WHERE source_id = '{source_id}'")


def test_records_set_aside_by_a_waived_rule_are_told_and_cost_nothing(small, monkeypatch):
    chosen = tuple(one for one in expectations.load() if one.name != "rejected_percent")
    monkeypatch.setattr(expectations, "load", lambda: chosen)
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"], rejected=1)
    publish("run-1")
    before = score("a-opac")
    decisions.waive("iso2709-length", "a-opac", decisions.today(), "li", "an old system, known")
    publish("run-2")
    after = score("a-opac")
    assert (before["rejected"], after["rejected"]) == (1, 1), "they are set aside all the same"
    assert after["score"] == pytest.approx(before["score"] + 100 / 4) and after["waived"] == before["waived"] + 1
    of_member = "SELECT score, waived FROM quality.score_history WHERE scope = 'member' AND name = 'A'"
    assert rows(of_member) == [{"score": after["score"], "waived": after["waived"]}]


def test_a_regional_centre_goes_by_the_code_that_members_have(small):
    members = lake.registry() / "members.csv"
    members.write_text(
        members.read_text("utf-8").replace("华南", "华南地区中心").replace("31,华东", "32,"), "utf-8"
    )
    publish("run-1")
    named = {row["name"] for row in rows("SELECT name FROM quality.score_history WHERE scope = 'regional_centre'")}
    assert named == {"华北", "east-north", "south"}, "as it is written, that of the province, that of the name"


def test_a_waiver_of_one_source_says_nothing_of_another(small):
    rule = decisions.rules.load()[0].code
    decisions.waive(rule, "a-opac", decisions.today(), "li", "gifts")
    assert {(one.rule, one.source_id) for one in decisions.in_force()} == {(rule, "a-opac")}


def test_a_later_waiver_replaces_an_earlier_one(small):
    rule, day = decisions.rules.load()[0].code, decisions.today()
    decisions.waive(rule, "a-opac", day + timedelta(days=9), "li", "gifts")
    decisions.waive(rule, "a-opac", day, "wang", "only today")
    assert [one.who for one in decisions.in_force()] == ["wang"]
    assert decisions.in_force(day + timedelta(days=1)) == []
    assert len(decisions.waivers()) == 2


def test_what_can_not_be_waived_says_why(small):
    rule, day = decisions.rules.load()[0].code, decisions.today()
    for given, reason in [
        (("nonsense", "a-opac", day, "li", "why"), "no rule 'nonsense'"),
        ((rule, "nobody", day, "li", "why"), "no source 'nobody'"),
        ((rule, "a-opac", day - timedelta(days=1), "li", "why"), "is past"),
        ((rule, "a-opac", day, "", "why"), "who is empty"),
        ((rule, "a-opac", day, "li", ""), "why is empty"),
    ]:
        with pytest.raises(DecisionError, match=reason):
            decisions.waive(*given)
    with pytest.raises(DecisionError, match="not waived"):
        decisions.end_waiver(rule, "a-opac", "li", "why")
    assert decisions.waivers() == []


def test_each_record_has_its_score_and_a_group_the_mean_of_its_records(small):
    publish("run-1")
    records = rows("SELECT * FROM quality.record_score WHERE source_id = 'a-opac'")
    assert len(records) == 3 and all(0 <= row["completeness"] <= 100 for row in records)
    measured = rows("SELECT * FROM quality.record_metric WHERE source_id = 'a-opac'")
    assert [row["record_id"] for row in measured] == ["r0", "r1", "r2"]
    assert all(row["thompson_traill"] > 0 and 0 < row["shelf_ready"] < 1 for row in measured)
    assert {row["agency"] for row in records} <= {None, "DEMO"}
    points: Counter[str] = Counter()
    for row in rows("SELECT record_id, rule FROM quality.issue WHERE source_id = 'a-opac'"):
        points[row["record_id"]] += rules.explain(row["rule"]).weight
    assert any(points[row["record_id"]] < 10 * row["fails"] + 2 * row["warns"] for row in records)  # rules differ
    for row in records:
        assert row["score"] == max(0, 100 - points[row["record_id"]])
    mean = sum(100 - points[row["record_id"]] for row in records) / 3
    assert score("a-opac")["score"] == pytest.approx(mean)
    (member,) = rows("SELECT * FROM quality.score_history WHERE scope = 'member' AND name = 'A'")
    assert member["score"] == pytest.approx(mean) and member["records"] == 3
    (province,) = rows("SELECT * FROM quality.score_history WHERE scope = 'province' AND name = '11'")
    assert province["score"] == member["score"]


def test_peers_are_of_the_same_kind(small):
    members = lake.registry() / "members.csv"
    members.write_text(members.read_text("utf-8").replace("vocational", "undergraduate"), "utf-8")
    publish("run-1")
    found = rows("SELECT * FROM quality.score_history WHERE scope = 'member' ORDER BY score DESC")
    alike = [row for row in found if row["peer_kind"] == "undergraduate"]
    assert [row["name"] for row in alike] == ["B", "A"]
    assert [(row["peers"], row["rank"], row["percentile"]) for row in alike] == [(2, 1, 100), (2, 2, 0)]
    assert alike[0]["median"] == pytest.approx(sum(row["score"] for row in alike) / 2)
    (alone,) = (row for row in found if row["name"] == "C")
    assert (alone["peers"], alone["rank"], alone["percentile"], alone["median"]) == (1, 1, None, alone["score"])


def test_history_keeps_what_earlier_builds_had_though_they_are_gone(small):
    publish("run-1")
    first = rows("SELECT * FROM quality.score_history")
    small_lake.stage_source("b-opac", small_lake.HELD["b-opac"], rejected=0)
    small_lake.build_catalog(SECOND)
    for file in lake.catalog_build(small_lake.BUILD).iterdir():
        file.unlink()
    lake.catalog_build(small_lake.BUILD).rmdir()
    publish("run-2")
    both = rows("SELECT * FROM quality.score_history ORDER BY build_id, scope, name")
    assert [row for row in both if row["build_id"] == small_lake.BUILD] == first
    assert {row["build_id"] for row in both} == {small_lake.BUILD, SECOND}
    publish("run-3")
    assert rows("SELECT * FROM quality.score_history ORDER BY build_id, scope, name") == both


def test_a_build_that_is_held_leaves_no_history(small):
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"], rejected=4)
    (outcome,) = publish("run-1")
    assert outcome.verdict == "held" and lake.score_files() == []


def test_freshness_is_counted_to_the_build(small):
    publish("run-1")
    found = {row["source_id"]: row["freshness"] for row in rows("SELECT * FROM quality.score")}
    assert set(found.values()) == {0}, "the harvest came after the build's name: fresh, and not below"

"""What people decided: stored for ever, the latest counts, contradictions end in must_not_join, matching obeys."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest

from transforms import catalog, judgement, match
from transforms.group_sources import ANY
from transforms.judgement import MUST_JOIN, MUST_NOT_JOIN, Judgement, Rulings, resolve
from warehouse import engine, lake

from .joined_groups import joined
from .staged_records import ANALYSIS, HAMLET, bibs, register, stage

DAY = datetime(2026, 3, 1)
ELECTRONIC = HAMLET | {"carrier": "electronic"}
OTHER = {"title": "Cooking for two", "creators": ["Child, Julia"], "pub_year": 1970, "lang": "eng", "kind": "book"}


def record(name: str) -> tuple[str, str]:
    source_id, _, number = name.partition("/")
    return source_id, number or "000"


def judged(text: str, day: int = 0, who: str = "Li", why: str = "seen on the shelf") -> Judgement:
    """`a = b` or `a/001 ! b` as a judgement of so many days later."""
    left, sign, right = text.split()
    verdict = MUST_JOIN if sign == "=" else MUST_NOT_JOIN
    at = DAY + timedelta(days=day)
    return Judgement(judgement.pair(record(left), record(right)), verdict, who, at, why, at)


def together(rulings: Rulings, *sources: list[dict]) -> set[frozenset[str]]:
    tables = [bibs(name, records) for name, records in zip("abcdefgh", sources, strict=False)]
    con = ibis.duckdb.from_connection(engine.connect())
    table = con.create_table("bib", ibis.memtable(pa.concat_tables(tables)))
    found: dict[int, set[str]] = {}
    result = match.cluster(con, table, rulings=rulings)
    for row in result.records.to_pylist():
        found.setdefault(row["cluster"], set()).add(f"{row['source_id']}/{row['record_id']}")
    assert all(f"{name}" for name in result.pairs["rule"].to_pylist())
    return {frozenset(members) for members in found.values() if len(members) > 1}


def rule(*texts: str) -> Rulings:
    return resolve([judged(text, day) for day, text in enumerate(texts)])


def names(*texts: str) -> set[frozenset[str]]:
    return {frozenset(f"{name}/000" if "/" not in name else name for name in text.split()) for text in texts}


# --- which are in force ----------------------------------------------------------------------------------


def test_a_later_judgement_replaces_the_earlier_one_and_the_history_stays() -> None:
    rulings = resolve([judged("a = b", 1), judged("b ! a", 2)])
    assert rulings.effects == ("replaced", "in_force")
    assert (rulings.must_join, rulings.must_not_join) == ((), ((("a", "000"), ("b", "000")),))


def test_a_judgement_on_a_record_that_is_not_there_sleeps() -> None:
    both = [judged("a = b"), judged("b = c", 1)]
    assert resolve(both, [record("a"), record("b")]).effects == ("in_force", "dormant")
    assert resolve(both).effects == ("in_force", "in_force")


def test_a_contradiction_leaves_out_the_oldest_must_join_of_the_chain() -> None:
    found = resolve([judged("b = c", 1), judged("a ! d", 2), judged("a = b", 3), judged("c = d", 4)])
    assert found.effects == ("left_out", "in_force", "in_force", "in_force")
    (contradiction,) = found.contradictions
    assert "a:000 = b:000 = c:000 = d:000, but a:000 ≠ d:000 (Li, 2026-03-03)" in str(contradiction)
    assert "left out: b:000 = c:000 (Li, 2026-03-02)" in str(contradiction)


def test_without_a_contradiction_nothing_is_left_out() -> None:
    assert rule("a = b", "b = c", "a = c", "c ! d", "d = e").contradictions == ()


# --- the store -------------------------------------------------------------------------------------------


def test_people_who_decide_at_once_both_keep_it(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = lake.new_batch_id()
    monkeypatch.setattr(lake, "new_batch_id", lambda: moment)  # to the same microsecond
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: judgement.add([judged(f"a/{n} = b/{n}", who=f"p{n}")]), range(40)))
    assert {one.who for one in judgement.load()} == {f"p{n}" for n in range(40)}


def test_the_same_judgement_is_taken_in_once(lake_home: Path) -> None:
    assert len(judgement.add([judged("a = b"), judged("b = a"), judged("a = c")])) == 2
    assert judgement.add([judged("a = b")]) == []
    assert len(judgement.load()) == 2
    assert len(lake.added_files("catalog.judgement")) == 1


def test_where_the_times_are_equal_the_one_taken_in_last_counts(lake_home: Path) -> None:
    judgement.add([judged("a = b"), judged("a ! b")])
    assert resolve(judgement.load()).must_join == ()
    judgement.add([judged("a = b", why="looked again")._replace(recorded_at=DAY + timedelta(days=9))])
    assert resolve(judgement.load()).must_not_join == ()
    assert len(judgement.load()) == 3


# --- matching --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (HAMLET, OTHER),  # never compared, and every word differs
        (HAMLET, ELECTRONIC),
        (ANALYSIS | {"volume_no": "上册"}, ANALYSIS | {"volume_no": "下册"}),
        (HAMLET, HAMLET | {"pub_year": 2000, "isbn": [], "publisher": None, "extent": None}),
    ],
)
def test_must_join_wins_over_scores_and_vetoes(left: dict, right: dict) -> None:
    assert together(Rulings(), [left], [right]) == set()
    assert together(rule("a = b"), [left], [right]) == names("a b")


def test_must_join_wins_over_two_records_of_one_source() -> None:
    plain = HAMLET | {"isbn": []}
    assert together(rule("a/000 = a/001"), [plain, plain]) == names("a/000 a/001")


def test_must_not_join_pulls_a_collapsed_group_apart() -> None:
    four = [[HAMLET]] * 4
    assert together(Rulings(), *four) == names("a b c d")
    assert together(rule("a ! b"), *four) == names("a c d")
    assert together(rule("b ! d"), *four) == names("a b c")


def test_must_not_join_separates_a_pair_that_matches_and_every_chain() -> None:
    near = [[HAMLET], [HAMLET | {"publisher": "Penguin"}], [HAMLET | {"pub_place": "Harmondsworth"}]]
    assert together(Rulings(), *near) == names("a b c")
    for text in ("a ! b", "a ! c", "b ! c"):
        one, _, other = text.split()
        (found,) = together(rule(text), *near)
        assert len(found) == 2
        assert not {f"{one}/000", f"{other}/000"} <= found


def test_collapse_does_not_join_what_judgements_keep_apart_by_a_chain() -> None:
    """a and b are equal; a = c, but b ≠ c: b has to leave a."""
    assert together(rule("a = c", "b ! c"), [HAMLET], [HAMLET], [OTHER]) == names("a c")


def test_must_join_brings_the_matches_of_both_along() -> None:
    """b says another volume by mistake; judged to be a, it must not cost a its other matches."""
    first, second = ANALYSIS | {"volume_no": "上册"}, ANALYSIS | {"volume_no": "下册"}
    copies = [[first], [second], [first | {"publisher": "高教"}], [first | {"pub_place": "上海"}]]
    assert together(rule("a = b"), *copies) == names("a b c d")
    assert together(rule("a = b"), *copies, [second | {"publisher": "高教"}]) == names("a b c d e")


def test_a_contradicting_must_join_is_not_applied() -> None:
    found = together(rule("a = b", "b = c", "a ! c"), [HAMLET], [ELECTRONIC], [OTHER])
    assert found == names("b c")


def test_match_says_who_decided() -> None:
    con = ibis.duckdb.from_connection(engine.connect())
    tables = [bibs("a", [HAMLET]), bibs("b", [OTHER]), bibs("c", [HAMLET | {"publisher": "Penguin"}])]
    table = con.create_table("bib", ibis.memtable(pa.concat_tables(tables)))
    pairs = match.cluster(con, table, rulings=rule("a = b", "a ! c")).pairs.to_pylist()
    found = {(row["left_source_id"], row["right_source_id"]): (row["rule"], row["decision"]) for row in pairs}
    assert found["a", "b"] == ("judgement:must_join", "match")
    assert found["a", "c"] == ("judgement:must_not_join", "separate")


def test_a_chain_cannot_join_a_pair_that_was_vetoed() -> None:
    """The second edition, and a first that says nothing, differ by year; a third record is like both."""
    unstated = HAMLET | {"pub_year": 1998}
    stated = HAMLET | {"pub_year": 2000, "edition": "2nd ed."}
    like_both = HAMLET | {"pub_year": 2000, "publisher": "Penguin"}
    found = together(Rulings(), [unstated], [stated], [like_both])
    assert found
    assert all(not {"a/000", "b/000"} <= cluster for cluster in found)


# --- components ------------------------------------------------------------------------------------------


def test_many_groups_and_judgements_stay_right() -> None:
    """Random edges and pairs kept apart: no cluster holds one, and what is refused would have joined one."""
    random = np.random.default_rng(7)
    count = 3_000
    ends = random.integers(0, count, (2, 6_000))
    ends = ends[:, ends[0] != ends[1]]
    apart = random.integers(0, count, (2, 300))
    apart = apart[:, apart[0] != apart[1]]
    free = np.full((count, 1), ANY)
    nobody = np.full(count, ANY)
    cluster, refused = joined(ends, free, nobody, np.arange(count), apart)
    assert (cluster[apart[0]] != cluster[apart[1]]).all()
    assert 0 < refused.sum() < 6_000
    kept = ends[:, ~refused]
    assert (cluster[kept[0]] == cluster[kept[1]]).all()
    hostile = {
        frozenset(pair) for pair in zip(cluster[apart[0]].tolist(), cluster[apart[1]].tolist(), strict=True)
    }
    lost = ends[:, refused]
    assert {
        frozenset(p) for p in zip(cluster[lost[0]].tolist(), cluster[lost[1]].tolist(), strict=True)
    } <= hostile


# --- the catalogue ---------------------------------------------------------------------------------------


@pytest.fixture
def sources(lake_home: Path) -> Path:
    register({"a": "M1", "b": "M2", "c": "M2"})
    return lake_home


def bib_of() -> dict[str, str]:
    with engine.open_lake() as con:
        return dict(con.execute("SELECT source_id || '/' || record_id, bib_id FROM catalog.bib_record").fetchall())


def effects() -> list[tuple[str, str]]:
    with engine.open_lake() as con:
        return con.execute("SELECT why, effect FROM catalog.judgement ORDER BY judged_at").fetchall()


def test_judgements_survive_rebuilds_and_sleep_with_their_records(sources: Path) -> None:
    stage("a", [HAMLET])
    stage("b", [OTHER])
    catalog.build("one")
    before = bib_of()
    judgement.add([judged("a = b")])
    assert catalog.build("two")[-1].verdict == "complete"
    assert len(set(bib_of().values())) == 1
    assert effects() == [("seen on the shelf", "in_force")]
    stage("b", [OTHER | {"deleted": True}], batch_id="b2")
    catalog.build("three")
    assert set(bib_of()) == {"a/000"}
    assert effects() == [("seen on the shelf", "dormant")]
    stage("b", [OTHER | {"title": "Cooking for three"}], batch_id="b3")  # as the record is now
    catalog.build("four")
    assert len(set(bib_of().values())) == 1
    judgement.add([judged("a ! b", 1, why="seen again")])
    catalog.build("five")
    assert len(set(bib_of().values())) == 2
    assert bib_of()["a/000"] == before["a/000"]
    assert effects() == [("seen on the shelf", "replaced"), ("seen again", "in_force")]


def test_a_contradiction_is_told_in_the_outcome(sources: Path) -> None:
    for name in "abc":
        stage(name, [HAMLET])
    judgement.add([judged("a = b"), judged("b = c", 1), judged("a ! c", 2)])
    total = catalog.build("run")[-1]
    assert total.verdict == "complete"
    assert "a:000 = b:000 = c:000, but a:000 ≠ c:000" in total.reason
    of = bib_of()
    assert of["a/000"] != of["b/000"] == of["c/000"]


def test_a_giant_is_told_with_its_bib_and_size(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "ALARM", 4)
    stage("a", [HAMLET] * 4)
    assert catalog.build("one")[-1].reason == ""
    stage("b", [HAMLET])
    total = catalog.build("two")[-1]
    (bib_id,) = set(bib_of().values())
    assert "size alarm: 1 bibs of more than 4 records" in total.reason
    assert f"{bib_id} with 5" in total.reason

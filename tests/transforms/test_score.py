"""Scores of pairs: the same however pairs come, and only of those that could be more than separate."""

import random
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest

from transforms import candidates
from transforms.score import WEIGHTS, load_card, score, score_groups
from transforms.scored import CODED, SCORE_STEPS
from warehouse import engine

from .staged_records import ANALYSIS, HAMLET, bibs


def test_score_does_not_depend_on_how_pairs_are_cut_into_batches() -> None:
    con = ibis.duckdb.from_connection(engine.connect())
    records = pa.concat_tables([bibs(name, [HAMLET, ANALYSIS, HAMLET | {"publisher": name}]) for name in "abcd"])
    bib = candidates.prepare(con.create_table("bib", ibis.memtable(records)))
    groups = con.create_table("rows", candidates.numbered(bib).rename(group="row"))
    other = groups.view()
    every = groups.join(other, groups.group < other.group).select(left=groups.group, right=other.group)
    table = candidates.compared(every, groups).order_by("left_group", "right_group").to_pyarrow()
    whole = pa.Table.from_batches(score(table.to_batches()), schema=CODED)
    pieces = pa.Table.from_batches(score(table.to_batches(max_chunksize=5)), schema=CODED)
    assert len(table) == 66 and len(whole) == 34, "Hamlet is not compared with the 数学分析"
    assert whole.combine_chunks().equals(pieces.combine_chunks())


@pytest.mark.parametrize(("step", "threads"), [(1, 1), (5, 2)])
def test_groups_in_memory_are_scored_as_pairs_side_by_side(step: int, threads: int, monkeypatch) -> None:
    """Whether all groups meet or few of them, in several pieces, and several batches are made of the pairs."""
    monkeypatch.setattr("transforms.score.BATCH", 50)
    con = ibis.duckdb.from_connection(engine.connect())
    records = [
        one | change
        for one in (HAMLET, ANALYSIS, HAMLET | {"edition": "2nd ed."}, ANALYSIS | {"volume_title": "第2卷"})
        for change in (
            {},
            {"isbn": [], "creators": []},
            {"title": "Hamlet, prince of Denmark", "subtitle": "1603", "pub_year": 1604},
            {"title": "数学分析习题", "extent": None, "publisher": "Penguin", "pub_place": None},
            {"kind": "serial", "lang": "ger", "carrier": "electronic", "pub_year": 1750},
            {"carrier": "electronic"},
            {"isbn": [], "title": "Hamlet 2"},
            {"isbn": [], "title": "Hamlet 3"},
        )
    ]
    bib = candidates.prepare(con.create_table("bib", ibis.memtable(bibs("a", records))))
    numbered = candidates.numbered(bib)
    named = numbered.select("identity", *candidates.COMPARED, group=numbered.row * step, said=numbered.row)
    groups = con.create_table("groups", named)
    other = groups.view()
    every = groups.join(other, groups.group < other.group).select(left=groups.group, right=other.group)
    table = candidates.compared(every, groups).order_by("left_group", "right_group").to_pyarrow()
    side_by_side = pa.Table.from_batches(score(table.to_batches()), schema=CODED)
    pairs = every.order_by("left", "right").to_pyarrow()
    met = groups.order_by("group").drop("group", "said").to_pyarrow()
    rows = np.arange(len(met) * step)  # those between say what others do, and meet no one
    described = met.take(pa.array((rows // step + rows % step) % len(met)))
    described = pa.concat_tables([described.slice(0, 2 * step), described.slice(2 * step)])
    found = score_groups(described, pairs, load_card(), threads)
    assert found.combine_chunks().equals(side_by_side.combine_chunks())
    assert len(set(found["rule"].to_pylist())) > 8 and len(set(found["decision"].to_pylist())) == 3


def siblings(rng: random.Random) -> list[dict]:
    """Records with parts of the same values, so that they agree in some things and not in others."""
    values = {
        "title": [
            "Hamlet",
            "Hamlet, prince of Denmark",
            "Hamlet 2",
            "Hamlet 3",
            "Macbeth",
            "数学分析",
            "分析习题",
        ],
        "creators": [["Shakespeare, William"], ["Shakespeare, W.", "Wells, Stanley"], ["陈纪修"], []],
        "isbn": [["9787040295665"], ["9780140707342"], ["9787040295665", "9780140707342"], [], []],
        "edition": [None, None, "2nd ed.", "3rd ed.", "1st ed."],
        "volume_no": [None, None, None, None, "1", "2"],
        "volume_title": [None, None, None, None, "代数", "几何"],
        "pub_year": [1980, 1994, 1995, 2003],
        "coded_year": [1960, 1994, 2003, None],
        "extent": ["349 p.", "350 p.", "120 p.", "90 p."],
        "publisher": ["Penguin", "高等教育出版社", None],
        "pub_place": ["London", "北京", None],
        "country": ["enk", "cc", None],
        "lang": ["eng", "eng", "chi", None],
    }
    return [HAMLET | {name: rng.choice(some) for name, some in values.items()} for _ in range(250)]


def tell_apart(one: dict, other: dict) -> bool:
    """Whether two groups conflict by what they say of their volumes and editions."""
    volumes = one["volume_key"], other["volume_key"]
    numbered = [bool(volume) and any(letter.isdigit() for letter in volume) for volume in volumes]
    stated = one["edition_stated"] and other["edition_stated"]
    parts = all(volumes) and not any(numbered)
    return (volumes[0] != volumes[1] and (any(numbered) or parts)) or bool(stated)


def test_a_pair_that_is_not_scored_is_separate_and_keeps_nothing_apart() -> None:
    """What is set aside shares no identifier, and the score, made in full, is too low; a veto on it is one that
    its groups tell by themselves, or stands between unlike titles."""
    bib = candidates.prepare(ibis.memtable(bibs("a", siblings(random.Random(7)))))
    con = ibis.duckdb.connect()
    groups = con.to_pyarrow(candidates.numbered(bib).select("identity", *candidates.COMPARED).distinct())
    left, right = (side.astype(np.int32) for side in np.triu_indices(len(groups), 1))
    pairs, card = pa.table([left, right], ["left", "right"]), load_card()
    every, some = (
        {(row["left"], row["right"]): row for row in score_groups(groups, pairs, card, every=one).to_pylist()}
        for one in (True, False)
    )
    assert {ends: every[ends] for ends in some} == some
    aside = [every[ends] for ends in every.keys() - some.keys()]
    assert 0.2 < len(aside) / len(every) < 0.9
    described, vetoes = groups.to_pylist(), set()
    for row in aside:
        one, other = described[row["left"]], described[row["right"]]
        assert row["decision"] == 2 and row["score"] < card.review * SCORE_STEPS
        assert not set((one["isbn"] or "one").split("|")) & set((other["isbn"] or "other").split("|"))
        veto = card.rules[row["rule"]]
        if veto in ("veto:volume", "veto:edition", "veto:number", "veto:imprint"):
            assert tell_apart(one, other) or one["title_key"][:6] != other["title_key"][:6]
        vetoes.add(veto)
    assert {"veto:volume", "veto:edition", "veto:language"} <= vetoes


def test_a_bad_card_names_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "card.csv"
    bad.write_text(WEIGHTS.read_text("utf-8").replace("isbn,shared,1,4.5", "isbn,shared,1,much"), "utf-8")
    line = next(n for n, text in enumerate(bad.read_text("utf-8").splitlines(), 1) if ",much," in text)
    with pytest.raises(ValueError, match=f"line {line}"):
        load_card(bad)
    bad.write_text("evidence,level,at_least,weight,english,chinese\n", "utf-8")
    with pytest.raises(ValueError, match="prior"):
        load_card(bad)

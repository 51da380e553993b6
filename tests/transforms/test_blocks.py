"""Which blocks a group is in, and who meets there, held against plain functions of texts."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from transforms import blocks, meeting

TEXTS = [
    "", " ", "a", "b", "ab", "abcdef", "abcdefg", "abcdefghijkl", "abcdefghijklm", "ghijklmnopqrstuvwx", "中国",
    "中國文學史第一卷上冊補", "中國文學史第一卷上冊補編", "第一卷上冊補編中國文學史", "𠮷", "𠮷" * 11, "𠮷" * 12,
    "𠮷" * 13, "中𠮷e\u0301" * 5, "e\u0301" * 7, "ß", "\x00", "\x00\x00", "\U0010ffff", "x" * 40, "x" * 70, "|",
]  # fmt: skip
NUMBERS = ["9780140707342", "9787040396638", "978", "", "𠮷", "7"]
YEARS = [-(1 << 31), -1, 0, 7, 1799, 1998, (1 << 31) - 1]
NEAR = ("full_title_key", "creator_key", "pub_year", "said")  # the order in blocks over the cap
INTEGERS = ("pages", "pub_year", "coded_year")
LISTS = ("isbn", "issn", "standard_no")


def described(count: int, kind: pa.DataType = pa.string()) -> pa.Table:  # noqa: B008
    """What groups say; bytes stand also where a text is null."""
    random = Random(count)
    columns: dict[str, pa.Array] = {"said": pa.array(random.sample(range(count), count), pa.int64())}
    for name in blocks.COLUMNS:
        nulls = np.array([random.random() < 0.2 for _ in range(count)])
        if name in INTEGERS:
            columns[name] = pa.array(random.choices(YEARS, k=count), pa.int32(), mask=nulls)
            continue
        lists = name in LISTS
        values = ["|".join(random.choices(NUMBERS, k=random.choice([1, 1, 2, 4]))) for _ in range(count)]
        column = pa.array(values if lists else random.choices(TEXTS, k=count), kind)
        there = pa.array(~nulls).buffers()[1]
        columns[name] = pa.Array.from_buffers(kind, count, [there, *column.buffers()[1:]])
    # many, but not all of them, are alike in more than one way
    short = pc.if_else(pa.array(random.choices([True, False], k=count)), columns["full_title_key"], None)
    return pa.table(columns | {"title_key": pc.coalesce(short, columns["title_key"])})


def keys(group: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Rule and key of each block of a group, by the words of what it says."""
    title, creator, pages = group["full_title_key"], group["creator_key"], group["pages"]
    year, coded = group["pub_year"], group["coded_year"]
    starts = {one[:12] for one in (title, group["title_key"]) if one is not None}
    if creator is not None:
        yield from (("title, creator", f"{start}/{creator[:6]}") for start in starts)
    years = {(start, year) for start in starts} | ({(title[:12], coded)} if title is not None else set())
    yield from (("title, year", f"{start}/{one}") for start, one in years if one is not None)
    if title is not None:
        if pages is None and year is not None:
            yield "end of title, year", f"{title[-12:]}/{year}"
        if pages is not None:
            yield "end of title, pages", f"{title[-12:]}/{pages}"
    if pages is not None:
        yield from (("title, pages", f"{start}/{pages}") for start in starts)
    if creator is not None and pages is not None:
        yield "creator, pages", f"{creator[:6]}/{pages}"
    if creator is not None and year is not None:
        yield "creator, year", f"{creator[:12]}/{year}"
    yield from ((rule, group[rule]) for rule in ("calis_id", "lccn", "oclc", "ubsn") if group[rule] is not None)
    for rule in LISTS:
        if group[rule] is not None:
            yield from ((rule, number) for number in set(group[rule].split("|")))


def in_blocks(groups: pa.Table) -> dict[tuple[str, str], list[int]]:
    """The groups of each block."""
    found = defaultdict(list)
    for row, group in enumerate(groups.to_pylist()):
        for key in keys(group):
            found[key].append(row)
    return found


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_blocks_are_those_of_the_texts_and_each_has_its_number(kind: pa.DataType) -> None:
    groups = described(1500, kind)
    named = blocks.named(groups).to_pylist()
    found = sorted((row["rule"], row["key"], row["row"]) for row in named)
    assert found == sorted((*key, row) for key, rows in in_blocks(groups).items() for row in rows)
    key_of = {row["block"]: (row["rule"], row["key"]) for row in named}
    assert all(key_of[row["block"]] == (row["rule"], row["key"]) for row in named)
    assert len(set(key_of.values())) == len(key_of) and min(key_of) >= 0
    places = zip(*map(np.ndarray.tolist, blocks.places(groups, threads=1)), strict=True)
    assert sorted(places) == sorted((row["block"], row["row"]) for row in named)


def placed(groups: pa.Table, some: np.ndarray | None = None) -> pa.Table:
    """`meeting.placed`, the groups of each block in order."""
    found = meeting.placed(groups, 2, some)
    assert (np.diff(found["block"].to_numpy()) >= 0).all()
    return found.sort_by([("block", "ascending"), ("group", "ascending")])


def test_how_groups_are_cut_into_pieces_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = described(700)
    whole = placed(groups)
    assert len(whole) > 5000 and len(placed(groups.slice(0, 0))) == 0
    monkeypatch.setattr(blocks, "AT_ONCE", 64)
    pieces = pa.concat_tables([groups.slice(0, 1), groups.slice(1, 330), groups.slice(331)])
    assert placed(pieces) == whole
    some = np.flatnonzero(np.random.default_rng(4).random(700) < 0.3)
    wanted = whole.filter(pc.is_in(whole["group"], pa.array(some, pa.int32())))
    assert placed(pieces, some) == wanted


def test_blocks_of_like_names_have_each_a_number() -> None:
    names = [f"{a}an{b}er" for a in "bcdfghlmswz" for b in "dgnst"]
    pages = pa.array(np.tile(np.arange(1000, dtype=np.int32), len(names)))
    nothing = pa.nulls(len(pages), pa.string())
    columns = dict.fromkeys(blocks.COLUMNS, nothing) | dict.fromkeys(INTEGERS, nothing.cast(pa.int32()))
    creators = pa.array(names).take(pa.array(np.repeat(np.arange(len(names)), 1000)))
    block, _ = blocks.places(pa.table(columns | {"creator_key": creators, "pages": pages}), threads=1)
    assert len(np.unique(block)) == len(block) == len(pages)


@pytest.mark.parametrize("cap", [500, 12])
def test_groups_meet_all_with_all_or_in_large_blocks_with_their_neighbours(cap: int) -> None:
    groups = described(400)
    said, found, large = groups.to_pylist(), set(), []
    for (rule, key), rows in in_blocks(groups).items():
        if len(rows) <= cap:
            found.update(combinations(rows, 2))
            continue
        large.append({"rule": rule, "key": key, "size": len(rows)})
        rows.sort(key=lambda row: [_behind(said[row][name]) for name in NEAR])
        for at, one in enumerate(rows):
            found.update((min(one, other), max(one, other)) for other in rows[at + 1 : at + 9])
    pairs, told = meeting.pairs(meeting.placed(groups, 2), groups, 2, cap)
    assert list(zip(*(pairs[side].to_pylist() for side in ("left", "right")), strict=True)) == sorted(found)
    assert bool(large) == (cap < 100)
    order = [("rule", "ascending"), ("key", "ascending")]
    assert told.drop("block").sort_by(order).to_pylist() == sorted(
        large, key=lambda one: (one["rule"], one["key"])
    )
    assert told.schema == meeting.LARGE
    sizes = dict(zip(*(told[name].to_pylist() for name in ("block", "size")), strict=True))
    counts = pc.value_counts(meeting.placed(groups, 2)["block"]).to_pylist()
    assert sizes == {one["values"]: one["counts"] for one in counts if one["counts"] > cap}


def _behind(value: str | int | None) -> tuple[bool, bytes | int]:
    """By what a value is put in order: of texts their bytes, none at the end."""
    return value is None, value.encode() if isinstance(value, str) else value or 0

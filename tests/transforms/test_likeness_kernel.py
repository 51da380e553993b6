"""Likeness of texts, held to rapidfuzz and to plain Python."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel, LCSseq

from transforms import likeness_kernel as kernel
from transforms.lcs_kernel import LONGEST
from transforms.same_texts import Met, met, texts

LETTERS = st.sampled_from("abcde12數学分析一二\u00e9")
TEXTS = st.none() | st.text(LETTERS, max_size=12) | st.text(LETTERS, min_size=60, max_size=140)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=6)


def meeting(pairs: list[tuple[str | None, str | None]]) -> Met:
    """Both sides in one column, the right ones in front and the other way round."""
    column = texts(pa.array([b for _, b in pairs[::-1]] + [a for a, _ in pairs], pa.string()))
    right, left = np.split(column.codes, 2)
    return met(column, left, right[::-1].copy())


def expected(pairs: list[tuple[str | None, str | None]], measure) -> list[float]:
    return [np.nan if a is None or b is None else measure(a, b) for a, b in pairs]


@given(PAIRS)
def test_alike_is_the_indel_similarity(pairs: list) -> None:
    np.testing.assert_allclose(kernel.alike(meeting(pairs)), expected(pairs, Indel.normalized_similarity))


@given(PAIRS)
def test_titles_in_three_views(pairs: list) -> None:
    whole, start, kept = kernel.titles(meeting(pairs))

    def share(a: str, b: str) -> float:
        shorter = min(len(a), len(b))
        return LCSseq.similarity(a, b) / shorter if shorter else 1.0

    np.testing.assert_allclose(whole, expected(pairs, Indel.normalized_similarity))
    np.testing.assert_allclose(kept, expected(pairs, share))
    np.testing.assert_allclose(start, expected(pairs, lambda a, b: share(a[: len(b)], b[: len(a)])))


@given(PAIRS)
def test_numbers_of_both(pairs: list) -> None:
    def plain(a: str, b: str) -> float:
        one, other = set(re.findall("[0-9]+", a)), set(re.findall("[0-9]+", b))
        if not one and not other:
            return np.nan
        return 2 if one == other else 1 if one <= other or other <= one else 0

    np.testing.assert_array_equal(kernel.numbers(meeting(pairs)), expected(pairs, plain))


@pytest.mark.parametrize("before", [0, 7, 63, 64, 65, 130])
def test_numbers_that_stand_far_behind(before: int) -> None:
    one, other = "a" * before + "3", "a" * before + "b"
    pairs = [(one, one), (one, other), (other, one + "4"), (other, other), (one, one + "/3 and 5")]
    np.testing.assert_array_equal(kernel.numbers(meeting(pairs)), [2, 1, 1, np.nan, 1])
    np.testing.assert_array_equal(kernel.numbers(meeting(pairs[::-1])), [1, np.nan, 1, 1, 2])


NAMES = st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=3).map("|".join)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=5))
def test_lists_joined_by_bars(pairs: list) -> None:
    def nearest(a: str, b: str) -> float:
        return max(Indel.normalized_similarity(p, q) for p in a.split("|") for q in b.split("|"))

    np.testing.assert_allclose(kernel.nearest(meeting(pairs)), expected(pairs, nearest))
    shared = expected(pairs, lambda a, b: float(bool(set(a.split("|")) & set(b.split("|")))))
    np.testing.assert_array_equal(kernel.shared(meeting(pairs)), shared)


def test_short_chinese_names_are_one_or_another() -> None:
    """Of two or three characters half would be alike by chance; longer names are compared as any."""
    pairs = [
        ("王丽", "王娟"),
        ("王小丽", "王小娟"),
        ("北京", "南京"),
        ("鲁迅", "鲁迅"),
        ("三联", "三联书店"),
        ("王丽", "li"),
    ]
    pairs += [("莎士比亚著", "莎士比亞著"), ("王娟|王丽", "张三|王丽"), ("王丽a", "王娟a")]
    likeness = [0, 0, 0, 1, 2 / 3, 0, 0.8, 1, 2 / 3]
    np.testing.assert_allclose(kernel.nearest(meeting(pairs)), likeness)


def test_names_in_common_are_counted_once_each() -> None:
    lists = [
        ("smithjohn|lihua|doej", "lihua|smithjohnb"),
        ("smithjohn", "doejane"),
        ("lihua|lihua", "lihua"),
        (None, "x"),
    ]
    np.testing.assert_array_equal(kernel.common(meeting(lists)), [2, 0, 2, np.nan])


@pytest.mark.parametrize("longer", [63, 64, 65, 128, 200])
def test_titles_of_any_length(longer: int) -> None:
    """The one has a letter put in at its beginning, so that no word of bits stands where it stood."""
    text = "".join(chr(0x4E00 + 7 * k % 97) for k in range(longer))
    pairs = [(text[1:], "x" + text), ("y" + text, text[: longer // 2] + "zz" + text), (text, text[::-1])]
    for (a, b), *views in zip(pairs, *kernel.titles(meeting(pairs)), strict=True):
        shorter = min(len(a), len(b))
        starts, kept = LCSseq.similarity(a[:shorter], b[:shorter]), LCSseq.similarity(a, b)
        np.testing.assert_allclose(views, [2 * kept / len(a + b), starts / shorter, kept / shorter])


def test_letters_beyond_the_basic_plane_count_as_one() -> None:
    np.testing.assert_allclose(kernel.alike(meeting([("𠀀𠀁a", "𠀀𠀂a")])), [2 / 3])


def test_only_the_beginning_of_a_very_long_text_is_looked_at() -> None:
    long = "a" * LONGEST
    pairs = [(long + "a" * 88, long + "a" * 188), (long + "b", long + "c"), ("é" + long, "é" + long[2:] + "bcd")]
    np.testing.assert_allclose(kernel.alike(meeting(pairs)), [1, 1, (LONGEST - 1) / LONGEST])


def test_numbers_that_are_another_and_such_as_may_be_misprinted() -> None:
    pairs = [
        ("part 1 of 3", "part 2 of 3"),
        ("part 1", "part 1"),
        ("the year 1984", "the year 1985"),
        ("the year 1984", "the year 1895"),
        ("part 1", "part 1 of 2"),
        ("1 part", "2 parts"),
        (None, "1"),
    ]
    np.testing.assert_array_equal(kernel.renumbered(meeting(pairs)), [1, 0, 0, 1, 0, 0, np.nan])

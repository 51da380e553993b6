"""Likeness of texts, held to rapidfuzz and to plain Python."""

import re

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel, LCSseq

from transforms import likeness_kernel as kernel

LETTERS = st.sampled_from("abcde12數学分析一二\u00e9")
TEXTS = st.none() | st.text(LETTERS, max_size=12) | st.text(LETTERS, min_size=60, max_size=140)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=6)


def columns(pairs: list[tuple[str | None, str | None]]) -> tuple[kernel.Side, kernel.Side]:
    """Both sides; the right one's column stands the other way round."""
    at = np.arange(len(pairs))
    left, right = pa.array([a for a, _ in pairs], pa.string()), pa.array([b for _, b in pairs[::-1]], pa.string())
    return kernel.Side(kernel.texts(left), at), kernel.Side(kernel.texts(right), at[::-1].copy())


def expected(pairs: list[tuple[str | None, str | None]], measure) -> list[float]:
    return [np.nan if a is None or b is None else measure(a, b) for a, b in pairs]


@given(PAIRS)
def test_same_is_equality(pairs: list) -> None:
    np.testing.assert_array_equal(kernel.same(*columns(pairs)), expected(pairs, lambda a, b: float(a == b)))


@given(PAIRS)
def test_alike_is_the_indel_similarity(pairs: list) -> None:
    np.testing.assert_allclose(kernel.alike(*columns(pairs)), expected(pairs, Indel.normalized_similarity))


@given(PAIRS)
def test_titles_in_three_views(pairs: list) -> None:
    whole, start, kept = kernel.titles(*columns(pairs))

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

    np.testing.assert_array_equal(kernel.numbers(*columns(pairs)), expected(pairs, plain))


NAMES = st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=3).map("|".join)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=5))
def test_lists_joined_by_bars(pairs: list) -> None:
    def nearest(a: str, b: str) -> float:
        return max(Indel.normalized_similarity(p, q) for p in a.split("|") for q in b.split("|"))

    np.testing.assert_allclose(kernel.nearest(*columns(pairs)), expected(pairs, nearest))
    shared = expected(pairs, lambda a, b: float(bool(set(a.split("|")) & set(b.split("|")))))
    np.testing.assert_array_equal(kernel.shared(*columns(pairs)), shared)


def test_names_in_common_are_counted_once_each() -> None:
    lists = [
        ("smithjohn|lihua|doej", "lihua|smithjohnb"),
        ("smithjohn", "doejane"),
        ("lihua|lihua", "lihua"),
        (None, "x"),
    ]
    np.testing.assert_array_equal(kernel.common(*columns(lists)), [2, 0, 2, np.nan])


def test_letters_beyond_the_basic_plane_count_as_one() -> None:
    left, right = columns([("𠀀𠀁a", "𠀀𠀂a")])
    np.testing.assert_allclose(kernel.alike(left, right), [2 / 3])


def test_only_the_beginning_of_a_very_long_text_is_looked_at() -> None:
    left, right = columns([("a" * 600, "a" * 700), ("a" * 512 + "b", "a" * 512 + "c")])
    np.testing.assert_allclose(kernel.alike(left, right), [1, 1])

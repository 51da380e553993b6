"""Compiled parts of crosswalks against what they mean, told in plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import crosswalk_kernel as kernel
from transforms.text_columns import Spans, from_spans, nfkc, parts, spans_of, together

TEXTS = st.lists(st.one_of(st.none(), st.text("ab数é𠀀", max_size=40)), max_size=30)


def grouped(values: list[str | None], records: list[int], count: int) -> list[list[str]]:
    data, starts, ends = spans_of(pa.array(values, pa.string()))
    order, bounds = np.empty(len(values), np.int32), np.empty(count + 1, np.int32)
    kernel.group(data, starts, ends, np.array(records, np.int32), count, order, bounds)
    return [[values[k] for k in order[bounds[r] : bounds[r + 1]]] for r in range(count)]


@given(st.lists(st.tuples(st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab", "数"])), st.integers(0, 3))))
def test_a_list_has_each_value_once_in_its_order(rows: list[tuple[str | None, int]]) -> None:
    expected = [list(dict.fromkeys(v for v, r in rows if r == record and v is not None)) for record in range(5)]
    assert grouped([v for v, _ in rows], [r for _, r in rows], 5) == expected


@pytest.mark.parametrize("count", [kernel.FEW, kernel.FEW + 2, 5000])
def test_few_and_many_values_of_a_record_lose_only_repetitions(count: int) -> None:
    once = [f"value {k}" for k in range(count // 2)]
    values = once + once  # each again, so that those whose place in the hash table was taken are found there too
    records = [0, *[1] * len(values), 2]
    assert grouped(["before", *values, "after"], records, 3) == [["before"], once, ["after"]]


@given(TEXTS, st.integers(0, 5), st.integers(0, 12))
def test_a_slice_counts_characters_not_bytes(texts: list[str | None], low: int, more: int) -> None:
    values = [text or "" for text in texts]
    data, offsets = parts(pa.array(values, pa.string()))
    rows = np.arange(len(values), dtype=np.int32)[::-1].copy()
    starts, ends = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
    kernel.cut(data, offsets, rows, low, low + more, starts, ends)
    assert from_spans(data, starts, ends).to_pylist() == [values[row][low : low + more + 1] for row in rows]


@given(st.lists(st.integers(0, 4), max_size=60), st.lists(st.integers(0, 4), unique=True, min_size=1))
def test_rows_of_several_codes_come_in_the_order_of_the_record(codes: list[int], wanted: list[int]) -> None:
    tag = np.zeros(len(codes), np.int32)
    bounds, order = np.zeros(257, np.int32), np.empty(len(codes), np.int32)
    kernel.sort_rows(tag, np.array(codes, np.uint8), bounds, order)
    expected = [row for row, code in enumerate(codes) if code in wanted]
    out = np.empty(len(expected), np.int32)
    assert kernel.merge(order, bounds, np.array(wanted, np.int64), out) == len(expected)
    assert out.tolist() == expected


@given(TEXTS, TEXTS)
def test_spans_over_one_and_over_several_buffers_are_put_together(
    one: list[str | None], other: list[str | None]
) -> None:
    first, second = spans_of(pa.array(one, pa.string())), spans_of(pa.array(other, pa.string()))
    assert from_spans(*together([first, second])).to_pylist() == one + other
    back = Spans(first.data, first.starts[::-1].copy(), first.ends[::-1].copy())
    assert from_spans(*together([first, back])).to_pylist() == one + one[::-1]


@given(TEXTS, st.integers(0, 5))
def test_an_array_that_begins_in_the_middle_of_its_bytes(texts: list[str | None], skipped: int) -> None:
    values = pa.array(texts, pa.string()).slice(min(skipped, len(texts)))
    assert from_spans(*spans_of(values)).to_pylist() == values.to_pylist()


def test_a_value_at_the_very_end_of_its_bytes_is_not_read_beyond() -> None:
    data = np.frombuffer(b"x" * 100, np.uint8).copy()
    made = from_spans(data, np.array([99, 70, 0], np.int32), np.array([100, 100, 100], np.int32))
    assert made.to_pylist() == ["x", "x" * 30, "x" * 100]


def test_nfkc_leaves_nulls_and_plain_values_alone() -> None:
    values = pa.array(["ＡＢＣ", None, "abc", "①", ""])
    assert nfkc(values).to_pylist() == ["ABC", None, "abc", "1", ""]
    assert nfkc(pa.array([None, "plain"])).to_pylist() == [None, "plain"]

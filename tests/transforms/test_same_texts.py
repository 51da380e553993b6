"""What is the same and what meets in pairs, held to plain Python."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.same_texts import NONE, met, texts

# of like beginnings and ends, and about as long as a word of the machine
TEXTS = (
    st.none()
    | st.text("ab\u6587", max_size=3)
    | st.sampled_from(["abcdefg", "abcdefgh"]).flatmap(
        lambda start: st.text("ab", max_size=12).map(lambda end: start + end)
    )
)


@given(st.lists(TEXTS, max_size=40), st.integers(0, 3))
def test_a_text_is_the_first_row_that_has_it(values: list[str | None], before: int) -> None:
    column = pa.array([*["abc"] * before, *values], pa.string()).slice(before)
    found = texts(column).codes
    assert found.tolist() == [NONE if text is None else values.index(text) for text in values]


def test_as_many_texts_as_there_are() -> None:
    values = [f"{k % 9_000:x}" for k in range(30_000)]
    assert texts(pa.array(values)).codes.tolist() == [k % 9_000 for k in range(30_000)]


def test_texts_of_one_digest_are_told_by_their_bytes() -> None:
    values = [f"the {k} th title of a series" for k in range(200_000)]  # some of these have the same 31 bits
    assert np.array_equal(texts(pa.array(values)).codes, np.arange(len(values)))


def test_a_null_with_bytes_is_none() -> None:
    hidden = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), *pa.array(["a"] * 3).buffers()[1:]], 1)
    assert texts(hidden).codes.tolist() == [0, NONE, 0]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=40))
def test_two_texts_meet_once(pairs: list) -> None:
    column = pa.array([text for pair in pairs for text in pair], pa.string())
    of = texts(column)
    found = met(of, of.codes[::2].copy(), of.codes[1::2].copy())
    told = [
        (column[int(found.left[nth])].as_py(), column[int(found.right[nth])].as_py()) for nth in found.nth if nth
    ]
    assert told == [pair for pair in pairs if None not in pair]
    assert [nth == 0 for nth in found.nth] == [None in pair for pair in pairs]
    assert len(found.left) == 1 + len(set(told)) and found.left[0] == found.right[0] == NONE

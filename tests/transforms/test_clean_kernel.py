"""The compiled cleaning functions say what their patterns say, or leave a value to them."""

import re
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import clean, trim_kernel
from transforms import clean_kernel as kernel

WORDS = (
    "a|Title|abcd|U.S|数|學|é|.|..|。|=| = |= |/| / |:| : |;| ; |; ; |,| , |[|]|(|)|（|）|‖|=‖|--|,--| --|+| +;"
    "|\u00a0|\u3000|\u2003"
    "|\u2028|\x85|\x1c|\x0b|\t|\n|\r|\f| |1987|c1999|[i.e. 1978]|1387 [2008]|199912|20011301|19990131|199"
    "|12345|minguo 36|Minguo|民国36年|２０００|½|i.e.|ie|1400 ["
).split("|")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map("".join)

SPACE = " \t\r\n\u00a0\u3000"
UNICODE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
RE2_SPACE = "[ \t\n\f\r]"


def trimmed(text: str) -> str:
    text = text.lstrip(SPACE + "=/:;").rstrip(SPACE + "=/:;,")
    opened = re.fullmatch(r"\[([^\]]*)", text)
    closed = re.fullmatch(r"([^\[]*?)[ \t\n\f\r/:;,=]*\]", text)
    return opened.group(1) if opened else closed.group(1) if closed else text


def with_stop(text: str) -> str:
    found = re.search(r"([^ \t\n\f\r.]{4,}|[\u4e00-\u9fff])[.。]\Z", trimmed(text))
    return trimmed(text)[:-1] if found else trimmed(text)


MEANT: dict[int, Callable[[str], str]] = {
    trim_kernel.STRIP: lambda text: text,
    trim_kernel.ISBD: trimmed,
    trim_kernel.TITLE: with_stop,
    trim_kernel.EXTENT: lambda text: trimmed(text.rstrip(SPACE + "+;:")),
    trim_kernel.SIZE: lambda text: trimmed(text.rstrip(SPACE + "+;:.")),
}


@pytest.mark.parametrize("how", MEANT)
@settings(max_examples=500)
@given(st.lists(st.one_of(TEXTS, st.text(max_size=12)), min_size=1, max_size=20))
def test_trimming(how: int, texts: list[str]) -> None:
    expected = [MEANT[how](text).strip(UNICODE_SPACE) or None for text in texts]
    made = trim_kernel.trimmed(how, pa.array(texts))
    made.validate(full=True)
    assert made.to_pylist() == expected


def agrees(made: pa.Array, left: list[bool], plain: pa.Array, texts: list[str]) -> None:
    made.validate(full=True)
    rows = zip(texts, made.to_pylist(), plain.to_pylist(), left, strict=True)
    assert [(text, ours, theirs) for text, ours, theirs, out in rows if not out and ours != theirs] == []


@pytest.mark.parametrize(
    ("which", "plain"),
    [
        (kernel.AFTER_TITLE, clean._after_title),
        (kernel.PARALLEL, clean._parallel),
        (kernel.FIRST_STATEMENT, clean._first_statement),
        (kernel.OTHER_STATEMENTS, clean._other_statements),
        (kernel.IN_BRACKETS, lambda values: clean._part(values, "[(（](?P<found>[^)）]*)[)）]")),
    ],
)
@settings(max_examples=500)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_parts(which: int, plain: Callable[[pa.Array], pa.Array], texts: list[str]) -> None:
    values = pa.array(texts)
    made, left = kernel.part(which, values)
    agrees(clean.isbd(made), left.tolist(), clean.isbd(plain(values)), texts)


@settings(max_examples=500)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_years(texts: list[str]) -> None:
    values = pa.array(texts)
    made, left = kernel.year(values)
    agrees(made, left.tolist(), clean._year(values), texts)


def test_bytes_under_a_null_are_not_read() -> None:
    values = pa.array(["first : ", "second"]).filter(pa.array([True, True]))
    bits = pa.py_buffer(b"\x02")
    hidden = pa.Array.from_buffers(pa.string(), 2, [bits, *values.buffers()[1:]], 1)
    assert clean.isbd(hidden).to_pylist() == [None, "second"]

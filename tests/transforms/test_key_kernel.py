"""The compiled keys say what the plain functions say, or leave a value to them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import opencc
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import key_kernel as kernel
from transforms import keys, volume_keys
from transforms.pages_kernel import page_counts
from transforms.parse import parse_files

PLAIN: dict[int, Callable[[pa.Array], pa.Array]] = {
    kernel.FOLD: keys._folded,
    kernel.TITLE: lambda values: keys._plain_titles(values)[0],
    kernel.CREATOR: keys._each_folded(keys.creator),
    kernel.PUBLISHER: keys._each_folded(keys.publisher),
}
WORDS = (
    "The |the|L'|l’|an |A|Le\u0301 |der |ein | 1984| |, |. |; |(|[U.S.]|)|/|'|-|–|·|•|\u3000|\u00a0"
    "|_|Smith|O'Brien|de la|van|García|José|Müller|Łódź|ﬁn|ß|Æ|œ|ʻAbd|ʹ|i\u0361a|e\u0301|\u0301"
    "|\u0338|ʼ|ed.|author|tr.|illus|translator|editor|b. 1900|1900-1980|ca. 1850|active 1700"
    "|approximately 1600|fl.|12|3rd|１９００|²|½|Ⅷ|數學|数学|上册|第二卷|乾坤|沈从文|画|著|主编|编"
    "|等|出版社|出版|有限公司|责任|社|集團|公司|人民|ка|й|Ελλάς|ς|か\u3099|ガ|가|กี|हिन्दी|مَ|שָׁ|𠀀"
    "|Press|& Co.|Co|Ltd|published|publisher|and|books|verlag|p.|p|pp|xii, |345 |24 cm|v.|3 v|12s|s"
    "|Vol. |part|Volume |the |first|II|IV|卷|之|三|必修|甲编|前編|【上】|（二）|全|學期|第１"
    "|page|leaf|map|t.|0|1234567|\n|\t|\u2028|\x85|\x00"
).split("|")
TEXTS = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(WORDS), max_size=9).map("".join))


def check(kind: int, texts: list[str]) -> None:
    values = pa.array(texts, pa.string())
    made, left = kernel.keys(kind, keys._folds(), values)
    made.validate(full=True)
    if kind == kernel.TITLE:  # these go the plain way too, since their ends may give a volume
        left |= volume_keys.may_end_title(values)
    expected = PLAIN[kind](values).to_pylist()
    wrong = [
        (text, ours, theirs)
        for text, ours, theirs, out in zip(texts, made.to_pylist(), expected, left, strict=True)
        if not out and ours != theirs
    ]
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("kind", PLAIN)
@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_the_kernel_agrees_or_leaves_it(kind: int, texts: list[str]) -> None:
    check(kind, texts)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_page_counts_agree_or_are_left(texts: list[str]) -> None:
    counts, left = page_counts(pa.array(texts))
    plain = [keys.page_count(text) for text in keys._plain(pa.array(texts))]
    assert [(c, p) for c, p, out in zip(counts.to_pylist(), plain, left, strict=True) if not out and c != p] == []


def test_accents_go_from_every_letter_that_has_an_entry() -> None:
    folds = keys._folds()
    letters = [
        chr(c) for c in range(0x20, 0x530) if int(folds[c]) >> 56 not in (0, 255) and not 0x2B0 <= c < 0x370
    ]
    for mark in (chr(c) for c in range(0x300, 0x370) if c != 0x345):
        check(kernel.FOLD, [letter + mark for letter in letters])


def test_every_character_of_chinese_alone_and_in_a_row_agrees() -> None:
    characters = [chr(c) for c in range(0x4E00, 0xA000)]
    check(kernel.FOLD, characters)
    check(kernel.FOLD, ["".join(characters[i : i + 7]) for i in range(0, len(characters), 7)])


def test_no_phrase_of_opencc_is_taken_character_by_character(tmp_path: Path) -> None:
    tool = Path(opencc.__file__).parent / "clib/bin/opencc_dict"
    found = list(tool.parent.parent.rglob("TSPhrases.ocd2"))
    if not tool.exists() or not found:
        pytest.skip("this build of OpenCC brings no tool to list its phrases")
    out = tmp_path / "phrases.txt"
    subprocess.run([tool, "-i", found[0], "-o", out, "-f", "ocd2", "-t", "text"], check=True)
    phrases = [line.split("\t")[0] for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(phrases) > 300
    check(kernel.FOLD, phrases)


@pytest.mark.parametrize(
    "name", ["marc21/lc-chinese.mrc", "marc21/uva-marc8-with-items.mrc", "unimarc/serials.mrc"]
)
def test_real_values_agree_and_few_are_left(name: str, real: Path) -> None:
    bib = parse_files([real / name])
    for kind, column in ((kernel.TITLE, "title"), (kernel.PUBLISHER, "publisher"), (kernel.CREATOR, "creators")):
        values = bib[column].combine_chunks()
        values = values.flatten() if pa.types.is_list(values.type) else values
        values = values.drop_null().unique()
        check(kind, values.to_pylist())
        _, left = kernel.keys(kind, keys._folds(), values)
        assert np.mean(left) < 0.25, f"{column}: {left.sum()} of {len(left)} go the slow way"

"""Titles that differ in an ordinal only, as of conferences: 第十四届 and 第十五届, 21st and 22nd, 之一 and 之二.

Numbers in digits are told apart as they stand.  An ordinal may be in Chinese characters or English words, or has
an ending of its own.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.described import Described, Flags, Floats, Pairs
from transforms.likeness_kernel import renumbered
from transforms.numerals import CHINESE_NUMBER, ORDINAL_WORDS, TENS_WORDS, number, words_as_digits

_NEAR = 0.8  # titles that differ in an ordinal only are as alike as this
# In folded titles, which have no spaces.  What is no ordinal, as in `oftenthe`, is one on both sides or differs.
_ENGLISH = rf"(?:(?:{'|'.join(TENS_WORDS)})?(?:{ORDINAL_WORDS}))"
_CHINESE = f"[第之]{CHINESE_NUMBER}"
_ENDING = r"(?:st|nd|rd|th)"
_ORDINAL = re.compile(rf"(?P<chinese>{_CHINESE})|(?P<english>{_ENGLISH})|(?<=\d){_ENDING}")
_MAY_HAVE = rf"{_CHINESE}|第[0-9]|[0-9]{_ENDING}|{ORDINAL_WORDS}"


def differ(pairs: Pairs, likeness: Floats) -> Flags:
    """Where titles are the same but for numbers, of which ordinals are some, and one of these is another.

    Args:
        likeness: of the full titles.
    """
    flags = np.zeros(len(pairs), bool)
    asked = np.flatnonzero((likeness >= _NEAR) & pairs.differ("full_title_key"))
    codes = np.stack([side[asked] for side in pairs.codes("full_title_key")])
    rows, place = np.unique(codes, return_inverse=True)
    titles = pairs.described.column("full_title_key").take(pa.array(rows)).cast(pa.string())
    ordinal = pc.match_substring_regex(titles, _MAY_HAVE).to_numpy(zero_copy_only=False)
    left, right = place.reshape(2, -1)
    both = ordinal[left] & ordinal[right]
    there = pa.array(ordinal)
    told = pa.array([_ORDINAL.sub(_as_digits, title) for title in titles.filter(there).to_pylist()], pa.string())
    told = Described({"title": pc.replace_with_mask(titles, there, told)})
    flags[asked[both]] = renumbered(Pairs(told, left[both], right[both]).met("title")) == 1
    return flags


def _as_digits(found: re.Match[str]) -> str:
    """第十四 as 第14, twentyfirst as 21; without the ending of 21st."""
    if chinese := found["chinese"]:
        return chinese[0] + number(chinese[1:])
    words = found["english"] or ""
    tens = next((word for word in TENS_WORDS if words.startswith(word)), "")
    return words_as_digits(f"{tens} {words.removeprefix(tens)}").strip()

"""What a value is worth beside another value of the same bib: the rules by which a cataloguer would choose.

A value gets a penalty, 0 for a good one, and the smallest wins before the order of records is asked.  The reasons,
worst first; a value that nobody else can give is kept whatever its penalty:

- *placeholder*: it says that nothing is known, `[s.n.]`, `[出版者不详]`, `und`, or only punctuation;
- *damaged*: it holds U+FFFD or `??`, ends in `…`, or a bracket in it is not closed, so its end was cut off;
- *transliterated*: the book's language is written in another script, and the value is in Latin letters only;
- *shouted*: several words, or a long one, all in capitals.

The last two are of text only; codes, numbers and notations have the first two at most.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]
Penalties = npt.NDArray[np.int8]

PLACEHOLDER, DAMAGED, TRANSLITERATED, SHOUTED = 8, 4, 2, 1

_MARKS = r"[\s\[\](){}<>（）［］〔〕【】.,:;?？!*\-—–_…。，、：；|#]*"
_NOTHING = "|".join(
    (
        r"s\.\s*[ln]\.?", r"n\.\s*[dp]\.?", r"n/a", "null", "none", "unknown", "und", "mis", "xxx?",
        "(place of publication|publisher|date of publication|place|date) not identified",
        "(出版|发行|發行|印刷|制作)?(者|社|地|年|单位|單位|日期|时间)?(不[详詳明]|未[详詳知])",
    )
)  # fmt: skip
_PLACEHOLDER = f"(?i)^{_MARKS}({_NOTHING})?{_MARKS}$"
_DAMAGED = r"\x{FFFD}|\?\?|(\.\.\.|…)\s*$|[(（\[［][^)）\]］]*$"
_SHOUTED = r"\p{Lu}{2,}\P{L}+\p{Lu}{2,}|\p{Lu}{8,}"
# text in which transliteration and capitals count; a parallel title or a note may be in any script
DESCRIBING = (
    "title", "subtitle", "volume_title", "resp_first", "resp_other", "edition", "pub_place", "publisher",
)  # fmt: skip
CASED = (*DESCRIBING, "parallel_title", "title_pinyin", "abstract", "series", "notes", "subjects", "creators")
# languages (ISO 639-2/B) that are written in another script than Latin
OTHER_SCRIPTS = (
    "chi", "jpn", "kor", "rus", "ukr", "bul", "bel", "mac", "gre", "grc", "ara", "per", "urd", "heb", "yid", "hin",
    "san", "ben", "tam", "tel", "mar", "tha", "lao", "bur", "khm", "tib", "mon", "uig", "kaz", "kir", "arm", "geo",
)  # fmt: skip


def _matches(values: pa.Array, pattern: str) -> Flags:
    return pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy(zero_copy_only=False)


def penalties(column: str, values: pa.Array, other_script: Flags) -> Penalties:
    """The penalty of each value of a text column; `other_script`: the book's language is not in Latin letters."""
    found = PLACEHOLDER * _matches(values, _PLACEHOLDER).astype(np.int8)
    found += DAMAGED * _matches(values, _DAMAGED).astype(np.int8)
    if column in CASED:
        shouted = _matches(values, _SHOUTED) & ~_matches(values, r"\p{Ll}")
        found += SHOUTED * shouted.astype(np.int8)
    if column in DESCRIBING and other_script.any():
        latin = other_script & _matches(values, r"\p{Latin}") & ~_matches(values, r"[^\p{Latin}\P{L}]")
        found += TRANSLITERATED * latin.astype(np.int8)
    return found.astype(np.int8)

"""Theses by others under one title: of one school and year, they agree in all that is compared beside people.

Who wrote a thesis is named first.  Advisors and schools are named too, which theses of one school have in common.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.described import Described, Flags, Floats, Pairs
from transforms.likeness_kernel import ONE_NAME, OTHER_PERSON, nearest

_SCRIPTS = "[\u3400-\u9fff]", "[a-z]"
_SURNAME = 4  # letters that tell most surnames
# A body, in a folded name: one library names it where the next names the author.
_BODY = "universi|colleg|institut|school|academ|facult|hochschul|大学|学院|研究|学校"


def either(pairs: Pairs) -> Flags:
    """Where one of the two is a thesis; the next library may have catalogued it as a book."""
    flags: Flags = np.fmax(*pairs.numbers("thesis")) == 1
    return flags


def by_others(pairs: Pairs) -> Flags:
    """Where one is a thesis, and the authors' names have little in common."""
    flags: Flags = _authors(pairs) < OTHER_PERSON
    return flags


def maybe_by_others(pairs: Pairs) -> Flags:
    """Where one is a thesis, and its author's name is neither another nor the same, as Wang Li and Zhang Li."""
    flags: Flags = _authors(pairs) < ONE_NAME
    return flags


def _authors(pairs: Pairs) -> Floats:
    """How like the first creator of the one is to any of the other, at best; NaN where it can't be told.

    That is where neither is a thesis, a side names nobody or a body first, or they are in two scripts.  A name
    whose beginning is somewhere on the other side may be the same one: with initials, or in a statement of
    responsibility, which stands where a record has no headings.
    """

    def make() -> Floats:
        found = np.full(len(pairs), np.nan)
        asked = np.flatnonzero(either(pairs) & np.logical_and(*pairs.known("creators_key")))
        some = pairs.some(asked)
        firsts, lists = some.values("creator_key"), some.values("creators_key")
        told = _comparable(lists) & ~(_has(firsts[0], _BODY) | _has(firsts[1], _BODY))
        told &= ~(_begun(firsts[0], lists[1]) | _begun(firsts[1], lists[0]))
        names = Described({"names": pa.concat_arrays([*firsts, *reversed(lists)])})
        row = np.arange(2 * len(asked))
        likeness = nearest(Pairs(names, row, row + len(row)).met("names"))
        found[asked] = np.where(told, np.fmax(*likeness.reshape(2, -1)), np.nan)
        return found

    made: Floats = pairs.once("theses", "", make)
    return made


def _begun(names: pa.Array, lists: pa.Array) -> Flags:
    """Where a list has the beginning of a name anywhere."""
    pairs = zip(names.to_pylist(), lists.to_pylist(), strict=True)
    return np.array([name is not None and name[:_SURNAME] in others for name, others in pairs], bool)


def _has(texts: pa.Array, pattern: str) -> Flags:
    """Where texts have something of a pattern; `Pairs.matching` would look at all that is described for a few."""
    flags: Flags = pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(zero_copy_only=False)
    return flags


def _comparable(lists: tuple[pa.Array, pa.Array]) -> Flags:
    """Where both sides have names in one script."""
    of_scripts = (np.logical_and(*(_has(names, script) for names in lists)) for script in _SCRIPTS)
    return np.logical_or(*of_scripts)

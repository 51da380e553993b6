"""Match keys: the folded forms of a description that are compared instead of its text.

A key is made once per distinct value, so repeated titles, names and publishers cost nothing.  Folding is
NFKC, then simplified script (OpenCC), case folding, Latin accents off, and nothing but letters and digits
kept; `·`, `•` and `‧` go with the punctuation.  It loses information (隻 and 只 become one), so keys serve
comparison only and never replace the text.  Romanised titles (`title_pinyin`) are never used.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
import opencc
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.columns import MATCH_KEYS
from transforms import key_kernel as kernel
from transforms import volume_keys
from transforms.edition_keys import edition
from transforms.pages_kernel import page_counts
from transforms.text_columns import or_else, per_distinct

BATCH = 2_000  # values handed to OpenCC at once, joined by newlines
REMEMBERED = 20_000  # distinct names and so on that are not worked out again
LONGEST = 300  # characters of names, publishers, volumes, editions and extents that are looked at

# Combining accents (Latin, half marks), pointing of Hebrew and Arabic, spacing modifiers such as the soft
# sign of romanised Russian: catalogues give or leave them out at will.
_ACCENTS = re.compile(r"[\u0300-\u036f\ufe20-\ufe2f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u02b0-\u02ff]")
_LATIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
# Behind a single letter they make another word of it: C, C++, C# and A+.
_SIGNS = {"++": "plusplus", "+": "plus", "#": "sharp", "♯": "sharp"}
_SIGN = re.compile(r"(?<![^\W_])([a-z])(\+\+|[#♯]|\+(?![^\W_]))")
_BREAK = re.compile("[\r\n\x85\u2028\u2029]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

_ROLE = re.compile(
    r"[\s,;]*(?:等|合)*(?:主编|编著|编译|编辑|编写|编纂|译注|校注|点校|著|编|译|撰|绘|选编|校|注|辑|作)+\s*(?:者)?\s*$"
)
_BRACKETED = re.compile(r"[(（\[【〔][^)）\]】〕]*[)）\]】〕]?")
_DATES = re.compile(r"\b(?:ca?\.|b\.|d\.|fl\.|approximately|active)?\s*\d{3,4}\??\s*(?:-\s*\d{0,4}\??)?[\s\S]*$")
_RELATOR = re.compile(
    r",?\s*\b(?:author|editor|ed|eds|tr|trans|translator|joint|comp|compiler|illustrator|illus|ill|creator"
    r"|contributor|degree|advisor)\b\.?(?=$|[\s,.;])"
)
_INITIAL = re.compile(r"(?:^| )[a-z]\.")
_SENTENCE = re.compile(r"\w\w\. ")
_COMPANY = re.compile(
    r"\b(?:inc|ltd|llc|co|corp|company|gmbh|limited|publishers?|publishing|publications?|pub|press|verlag|books"
    r"|the|and)\b|有限|责任|股份|公司|集团|出版社?"
)
_NOT_PAGES = re.compile(r"\d+\s*(?:v\b|vols?\b|volumes?\b|册|卷|函|cm\b|mm\b|厘米|bd\b|t\b)")
_PAGED = re.compile(r"p\b|pp\b|p\.|page|页|面|叶|leaves|leaf|\bs\b|с\.|^\W*\d+\W*$")


# Folded, and without `publisher` or 出版: what stands for one that is not known.
_UNKNOWN = pa.array(
    "sl sn ns np sineloco sinenomine noplace placeofpublicationnotidentified notidentified "
    "出版地不详 地不详 者不详 不详".split()
)

# Left out or kept at will at the beginning of a title, if a letter follows.
_ARTICLE = re.compile(
    r"^[\W_]*(?:(?:the|an?|der|die|das|eine?|les?|la|une?|el|los|las|il|lo|gli)\s+|l['’])(?=[\W\d_]*[^\W\d_])",
    re.IGNORECASE,
)


class _KeyCharacters(dict[int, int | None]):
    """For `str.translate`: letters, marks and digits stay; marks are vowels in Indic scripts and Thai."""

    def __missing__(self, point: int) -> int | None:
        self[point] = point if unicodedata.category(chr(point))[0] in "LMN" else None
        return self[point]


_KEY_CHARACTERS = _KeyCharacters({ord("\n"): ord("\n")})  # what joins values


@cache
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def _in_batches(texts: list[str], change: Callable[[str], str]) -> list[str]:
    """Apply a text function to many values at once, joined by newlines; other line breaks become spaces."""
    done: list[str] = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        changed = change("\n".join(batch)).split("\n")
        if len(changed) != len(batch):  # there was a line break in a value
            changed = change("\n".join(_BREAK.sub(" ", text) for text in batch)).split("\n")
        done += changed
    return done


def _simple(text: str) -> str:
    """NFKC, simplified script."""
    text = unicodedata.normalize("NFKC", text)
    return _simplifier().convert(text) if _HAN.search(text) else text


def _lower(text: str) -> str:
    """Case and accents folded; letters, digits and punctuation otherwise as they were."""
    text = text.casefold()
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text))).translate(_LATIN)


def _letters(texts: list[str]) -> pa.Array:
    """Letters, marks and digits of lower-case texts; null where there are none."""
    keys = _in_batches(texts, lambda text: _SIGN.sub(_as_words, text).translate(_KEY_CHARACTERS))
    return pa.array([key or None for key in keys], pa.string())


def _as_words(found: re.Match[str]) -> str:
    return found[1] + _SIGNS[found[2]]


def _folded(values: pa.Array) -> pa.Array:
    return _letters(_in_batches(values.to_pylist(), lambda text: _lower(_simple(text))))


@cache
def _folds() -> np.ndarray:
    """What the characters that the kernel knows fold to."""
    left_over = kernel.IN_PHRASES + kernel.SIGNS
    known = [chr(c) for low, high in kernel.RANGES for c in range(low, high) if chr(c) not in left_over]
    return kernel.table(known, _folded(pa.array(known)).to_pylist())


def _key(kind: int, values: pa.Array, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The keys of any values: by the kernel where it can, else by the plain function."""
    return or_else(*kernel.keys(kind, _folds(), values), values, make)


def folded(values: pa.Array) -> pa.Array:
    """Each value folded for comparison; a value with no letter or digit becomes null."""
    return _key(kernel.FOLD, values, _folded)


def _plain(values: pa.Array) -> list[str]:
    """Simplified, lower-case texts, cut to a length that no pattern below can take long over."""
    simple = _in_batches([text or "" for text in values.to_pylist()], _simple)
    return _in_batches([text[:LONGEST] for text in simple], _lower)


def _single(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.Array):
        return column
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
    )


@lru_cache(REMEMBERED)
def creator(text: str) -> str:
    """A lower-case, simplified name, surname first, without dates, titles and roles."""
    text = _RELATOR.sub("", _DATES.sub("", _BRACKETED.sub(" ", text)))
    text = _ROLE.sub("", text.strip(" ,.;:/")) or text
    if "," in text:
        surname, _, rest = text.partition(",")
        return surname + rest.split(",")[0]
    words = text.split()
    # 'john r. smith' becomes 'smith john r.'; a body's name with a full stop behind a word keeps its order
    direct = 2 <= len(words) <= (5 if _INITIAL.search(text) else 3) and all(
        word.strip(".-'").isascii() for word in words
    )
    direct = direct and not _SENTENCE.search(text)
    return " ".join([words[-1], *words[:-1]] if direct else words)


@lru_cache(REMEMBERED)
def publisher(text: str) -> str:
    """A lower-case, simplified publisher without the words that say what kind of company it is."""
    without = _COMPANY.sub(" ", text)
    return without if re.search(r"\w", without) else text


def page_count(text: str) -> int | None:
    """The largest page count in a lower-case extent: 'xii, 345 p.' → 345; none for '3 v.'."""
    text = _NOT_PAGES.sub(" ", text)
    if not _PAGED.search(text):
        return None
    numbers = [int(n) for n in re.findall(r"\d+", text) if len(n) < 6]
    return max(numbers, default=None)


def _titles(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Title keys, and the volume keys that the ends of titles give."""
    keys, left = kernel.keys(kernel.TITLE, _folds(), values)
    left |= volume_keys.may_end_title(values)
    volumes = pa.nulls(len(values), pa.string())
    if left.any():
        mask = pa.array(left)
        encoded = values.filter(mask).dictionary_encode()
        plain = (made.take(encoded.indices) for made in _plain_titles(encoded.dictionary))
        keys, volumes = (
            pc.replace_with_mask(all_, mask, some) for all_, some in zip((keys, volumes), plain, strict=True)
        )
    return keys, volumes


def _plain_titles(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    cut = [volume_keys.without_volume(text) for text in _in_batches(values.to_pylist(), _simple)]
    texts = _in_batches([_ARTICLE.sub("", text) for text, _ in cut], _lower)
    return _letters(texts), pa.array([volume for _, volume in cut], pa.string())


def _where(may_be: NDArray[np.bool_], values: pa.Array, make: Callable[[str], str | None]) -> pa.Array:
    """What a function makes of the values that are worth a look, each distinct one once; null of the others."""
    mask = pa.array(may_be)
    found = per_distinct(values.filter(mask), _each(make))
    return pc.replace_with_mask(pa.nulls(len(values), pa.string()), mask, found)


def _parts(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Folded part titles or subtitles, and the volume keys of those that are nothing but a volume, which go."""
    volumes = _where(volume_keys.may_be_part(values), values, volume_keys.of_part)
    none = pa.scalar(None, pa.string())
    return pc.if_else(pc.is_valid(volumes), none, folded(values)), pc.if_else(pc.equal(volumes, ""), none, volumes)


def _volumes(one: dict[str, pa.Array], of_titles: pa.Array, of_parts: pa.Array, part_title: pa.Array) -> pa.Array:
    """Volume keys: of the number, else the title or subtitle, and of the part; else a part's or sequel's name."""
    title, subtitle = one["title"], one["subtitle"]
    first = pc.coalesce(
        per_distinct(one["volume_no"], _each(volume_keys.volume)),
        of_titles,
        _where(volume_keys.may_be_in_subtitle(subtitle), subtitle, volume_keys.of_subtitle),
    )
    # 第一卷 whose part is called 上册
    both = pc.if_else(pc.equal(first, of_parts), first, pc.binary_join_element_wise(first, of_parts, "."))
    sequels = _where(volume_keys.may_be_sequel(title), title, volume_keys.sequel)
    return pc.coalesce(both, first, of_parts, part_title, sequels)


def _listed(
    lists: pa.ChunkedArray, otherwise: pa.ChunkedArray, make: Callable[[pa.Array], pa.Array]
) -> tuple[pa.Array, pa.Array]:
    """The first name's key, and those of all; of a record without any, the other column's value."""
    lists, otherwise = lists.combine_chunks(), otherwise.combine_chunks()
    parents, names = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)
    without = np.ones(len(lists), bool)
    without[parents] = False
    bare = np.flatnonzero(without)
    owner = np.concatenate([parents, bare])
    order = np.argsort(owner, kind="stable")
    named = pa.concat_arrays([names, otherwise.take(pa.array(bare))])
    keys = make(named).take(order)
    kept = np.flatnonzero(keys.is_valid().to_numpy(zero_copy_only=False))
    keys, owner = keys.take(pa.array(kept)), owner[order][kept]
    starts = np.searchsorted(owner, np.arange(len(lists) + 1))
    empty = starts[:-1] == starts[1:]
    first = keys.take(pa.array(starts[:-1], mask=empty))
    return first, pa.ListArray.from_arrays(pa.array(starts, pa.int32()), keys)


def _creators(names: pa.Array) -> pa.Array:
    return _key(kernel.CREATOR, names, _each_folded(creator))


def _publishers(names: pa.Array) -> pa.Array:
    return _unless_unknown(_key(kernel.PUBLISHER, names, _each_folded(publisher)))


def _places(names: pa.Array) -> pa.Array:
    return _unless_unknown(folded(names))


def _unless_unknown(keys: pa.Array) -> pa.Array:
    """Keys, null where a cataloguer wrote that it is not known."""
    return pc.if_else(pc.is_in(keys, value_set=_UNKNOWN), pa.scalar(None, pa.string()), keys)


def _each(make: Callable[[str], str | None]) -> Callable[[pa.Array], pa.Array]:
    return lambda values: pa.array([make(text) for text in _plain(values)], pa.string())


def _each_folded(make: Callable[[str], str]) -> Callable[[pa.Array], pa.Array]:
    return lambda values: _letters([make(text) for text in _plain(values)])


def _pages(values: pa.Array) -> pa.Array:
    def plain(some: pa.Array) -> pa.Array:
        return pa.array([page_count(text) for text in _plain(some)], pa.int32())

    return or_else(*page_counts(values), values, plain)


def add(bib: pa.Table) -> pa.Table:
    """Append the match keys (`MATCH_KEYS`, in that order) to a table with the `DESCRIPTION` columns.

    Rows keep their order; columns named like a key are replaced.
    """
    names = ("title", "volume_title", "subtitle", "extent", "volume_no", "edition")
    one = {name: _single(bib[name]) for name in names}
    title_keys, title_volumes = _titles(one["title"])
    part_title, part_volumes = _parts(one["volume_title"])
    creator_keys, creators_keys = _listed(bib["creators"], bib["resp_first"], _creators)
    # nulls are filled first: skipping them, pyarrow 26 gives no rows at all where every row is null
    parts = (title_keys, part_title, _parts(one["subtitle"])[0])
    joined = pc.binary_join_element_wise(*(pc.fill_null(part, "") for part in parts), "")
    keys = {
        "title_key": title_keys,
        "full_title_key": pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined),
        "volume_key": _volumes(one, title_volumes, part_volumes, part_title),
        "edition_key": pc.fill_null(per_distinct(one["edition"], _each(edition)), "1"),
        "creator_key": creator_keys,
        "creators_key": creators_keys,
        "publishers_key": _listed(bib["publishers"], bib["publisher"], _publishers)[1],
        "places_key": _listed(bib["pub_places"], bib["pub_place"], _places)[1],
        "pages": _pages(one["extent"]),
    }
    bib = bib.drop_columns([column.name for column in MATCH_KEYS if column.name in bib.column_names])
    for column in MATCH_KEYS:
        bib = bib.append_column(pa.field(column.name, column.type), keys[column.name])
    return bib

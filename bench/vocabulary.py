"""Words, names, publishers and statements that made-up books are put together from, with their match keys.

All come from real records (`../shared/data/marc21`): words with what follows them in titles, surnames and
forenames, publishers with their places.  A *piece* is a word or a part of a name in four variants: as it is, with
one typo, with another, abbreviated.  Its key is what `transforms.keys` folds it to; pieces are chosen so
that the key of a text put together from them is their keys put together.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sample import marc
from sample.copies import _publisher as reworded
from sample.marc import value
from schemas.columns import DESCRIPTION
from transforms import keys, volume_keys
from transforms.key_kernel import IN_PHRASES

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared/data/marc21"
FILES = ("lc-books.mrc", "lc-chinese.mrc")
VARIANTS = 4
PLAIN, TYPO, OTHER_TYPO, SHORT = range(VARIANTS)
LATIN, CHINESE = 0, 1
EDITIONS, VOLUMES = 8, 40  # numbers that have a wording; the last edition is "revised"
LONGEST_TITLE = 8  # pieces
OFTEN = (0, 0, 3, 5, 6)  # by length: how often Han characters stand together that count as a word

Ids = NDArray[np.int32]

_ARTICLES = frozenset("the a an der die das ein eine les le la un une el los las il lo gli l".split())
_LATIN_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_HAN_RUN = re.compile("[\u4e00-\u9fff]{2,}")
_LATIN_NAME = re.compile(r"([A-Z][a-z]{2,}(?:-[A-Z][a-z]+)?), ([A-Z][a-z]{2,}(?: [A-Z]\.)?)\.?(?:, \d{4}.*)?")
_HAN_NAME = re.compile("[\u4e00-\u9fff]{2,3}")
_PINYIN_NAME = re.compile(r"([A-Z][a-z]+), ([A-Z][a-z]+)\.?(?:, \d{4}.*)?")
_ROLES = frozenset("等合主编著译注校点撰绘选辑作者写纂")
_RELATORS = frozenset("author editor ed eds tr trans translator joint comp compiler illus ill creator".split())
# A word that begins or ends so might be taken for a volume together with its neighbour.
_VOLUME_START, _VOLUME_END = tuple("册冊卷集部编編辑輯篇"), tuple("卷之修上中下第零〇一二两三四五六七八九十百千")


class Real(NamedTuple):
    """What is taken from a real record."""

    title: str
    names: list[str]
    place: str
    house: str


class NoData(Exception):
    """The records that the vocabulary is taken from are not there."""


@dataclass
class Pieces:
    """All pieces, `VARIANTS` rows each; `text` ends with the space that belongs behind it."""

    texts: list[str] = field(default_factory=list)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, kind: str, text: str, variants: Callable[[], tuple[str, ...]], end: str) -> int:
        """The id of a piece; its variants stand behind it."""
        if (kind, text) not in self.seen:
            self.seen[kind, text] = len(self.texts)
            self.texts += [text + end, *(variant + end for variant in variants())]
        return self.seen[kind, text]


@dataclass(frozen=True)
class Chain:
    """Pieces of titles in one script: those that begin, all (each as often as it was met), and what follows."""

    starts: Ids
    all: Ids
    first: NDArray[np.int64]  # by piece: where its followers begin in `followers`
    number: NDArray[np.int64]  # and how many they are
    followers: Ids
    lengths: Ids  # of real titles, in pieces


@dataclass(frozen=True)
class Vocabulary:
    """What `bench.union` puts books together from; lists of two are by script, `LATIN` and `CHINESE`."""

    texts: pa.Array  # of pieces
    keys: pa.Array
    chains: list[Chain]
    surnames: list[Ids]
    forenames: list[Ids]
    romanised: Ids  # by Chinese name piece: that in pinyin
    publishers: pa.Table  # publisher, publishers_key, pub_place, places_key; `VARIANTS` rows each
    houses: list[Ids]  # rows of publishers, each as often as it was met
    editions: pa.Table  # edition, edition_key; row (script * EDITIONS + number) * 2 + wording
    volumes: pa.Table  # volume_no, volume_key; row style * VOLUMES + number


def _typo(text: str, rng: random.Random, others: str) -> str:
    """Letters exchanged, or one left out; of Chinese a character mistaken for another."""
    if text[0] >= "\u4e00":
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(others) + text[at + 1 :]
    if len(text) < 6:
        return text
    at = rng.randrange(1, len(text) - 2)
    return (
        text[:at] + text[at + 1] + text[at] + text[at + 2 :] if rng.random() < 0.6 else text[:at] + text[at + 1 :]
    )


@cache
def _fits(word: str) -> bool:
    return not (
        word.startswith(_VOLUME_START)
        or word.endswith(_VOLUME_END)
        or set(word) & set(IN_PHRASES)
        or volume_keys.without_volume("题名题" + word)[0] != "题名题" + word
        or volume_keys.without_volume(f"Title {word} one")[0] != f"Title {word} one"
        or volume_keys.sequel("题名题 " + word)
        or word in _ARTICLES
    )


def _variants(word: str, rng: random.Random, others: str) -> tuple[str, ...]:
    made = [_typo(word, rng, others) for _ in range(2)]
    short = word[:4] + "." if word.isascii() and len(word) > 7 else word
    return tuple(variant if _fits(variant) else word for variant in (*made, short))


def _han_words(runs: list[list[str]]) -> list[list[str]]:
    """Runs of Han characters cut into the longest strings that come often, from left to right."""
    counts: dict[str, int] = {}
    for run in (run for title in runs for run in title):
        for length in (2, 3, 4):
            for at in range(len(run) - length + 1):
                counts[run[at : at + length]] = counts.get(run[at : at + length], 0) + 1
    cut = []
    for title in runs:
        words = []
        for run in title:
            at = 0
            while at < len(run):
                often = (n for n in (4, 3, 2) if at + n <= len(run) and counts[run[at : at + n]] >= OFTEN[n])
                length = next(often, 1)
                words.append(run[at : at + length])
                at += length
        cut.append(words)
    return cut


def _chain(pieces: Pieces, titles: list[list[str]], kind: str, end: str, rng: random.Random) -> Chain:
    others = (
        "".join(sorted({c for title in titles for word in title for c in word if c >= "\u4e00"})[:2000:7]) or "x"
    )
    starts, every, lengths = [], [], []
    pairs: list[tuple[int, int]] = []
    for title in titles:
        words = [word for word in title if _fits(word) or (word in _ARTICLES and len(word) > 1)]
        while words and words[0] in _ARTICLES:
            words = words[1:]
        ids = [pieces.add(kind, word, partial(_variants, word, rng, others), end) for word in words]
        if len(ids) > 1:
            starts.append(ids[0])
            every += ids
            lengths.append(min(len(ids), LONGEST_TITLE))
            pairs += pairwise(ids)
    follows = np.array(sorted(pairs), np.int32).reshape(-1, 2)
    number = np.bincount(follows[:, 0], minlength=len(pieces.texts))
    return Chain(
        np.array(starts, np.int32), np.array(every, np.int32), np.cumsum(number) - number, number,
        follows[:, 1].copy(), np.array(lengths, np.int32),
    )  # fmt: skip


def _key_table(columns: dict[str, list[str | None]]) -> pa.Table:
    """Texts of some columns with all their match keys."""
    rows = len(next(iter(columns.values())))
    types = {column.name: column.type for column in DESCRIPTION}
    empty = {n: pa.array([[]] * rows if pa.types.is_list(t) else [None] * rows, t) for n, t in types.items()}
    return keys.add(pa.table(empty | {name: pa.array(texts, pa.string()) for name, texts in columns.items()}))


def _publishers(found: list[list[tuple[str, str]]], rng: random.Random) -> tuple[pa.Table, list[Ids]]:
    """The houses of both scripts; variants: as it is, other wording, cut short, typo."""
    row_of: dict[tuple[str, str], int] = {}
    columns: dict[str, list[str | None]] = {"publisher": [], "pub_place": []}
    for place, name in (pair for pairs in found for pair in pairs):
        if (place, name) in row_of:
            continue
        row_of[place, name] = len(columns["publisher"])
        other = reworded(name)
        short = name.split(",")[0].split(" (")[0]
        columns["publisher"] += [
            name,
            other or name,
            short if len(short) > 3 else name,
            _typo(name, rng, "大文人"),
        ]
        columns["pub_place"] += [place, place.split(",")[0], f"[{place}]", place]
    made = _key_table(columns).select(["publisher", "publishers_key", "pub_place", "places_key"])
    return made, [np.array([row_of[pair] for pair in pairs], np.int32) for pairs in found]


def _editions() -> pa.Table:
    ordinals = ("", "1st", "2nd", "3rd", "4th", "5th", "6th")
    words = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth")
    latin = [(f"{a} ed.", f"{b} edition") for a, b in zip(ordinals, words, strict=True)]
    chinese = [(f"第{n}版", f"第{'零一二三四五六'[n]}版") for n in range(7)]
    texts = [*latin, ("Rev. ed.", "Revised edition"), *chinese, ("修订版", "修订本")]
    return _key_table({"edition": [text for pair in texts for text in pair]}).select(["edition", "edition_key"])


def _volumes() -> pa.Table:
    numbers = range(VOLUMES)
    tens = ["零", *"一二三四五六七八九十"]
    han = [tens[n] if n < 11 else f"十{tens[n - 10]}" if n < 20 else f"{tens[n // 10]}十" for n in numbers]
    half = ["上" if n == 1 else "下" for n in numbers]
    texts: list[str | None] = [f"v. {n}" for n in numbers] + [f"vol. {n}" for n in numbers]
    texts += [f"{c}册" for c in half] + half + [f"第{n}册" for n in numbers] + [f"第{c}册" for c in han]
    return _key_table({"volume_no": texts}).select(["volume_no", "volume_key"])


def _real(folder: Path) -> list[list[Real]]:
    """What English and what Chinese records say.

    Raises:
        NoData: a file isn't there.
    """
    found: dict[str, list[Real]] = {"eng": [], "chi": []}
    for file in (folder / name for name in FILES):
        if not file.exists():
            raise NoData(f"no {file.name} in {folder}: real titles and names are taken from there")
        for unit in file.read_bytes().split(b"\x1d")[:-1]:
            record = marc.parse(unit)
            lang = record.control("008")[35:38]
            if lang in found:
                found[lang].append(_described(record))
    return list(found.values())


def _described(record: marc.Record) -> Real:
    """The title, the first place and publisher, the names; of each in pinyin the Han characters come before it."""
    han = {(value(linked, "6")[:3], value(linked, "6")[4:6]): linked for linked in record.all("880")}

    def texts(tag: str, subfields: marc.Subfields, codes: str) -> list[list[str]]:
        both = [han.get((tag, value(subfields, "6")[4:6])), subfields]
        return [[text.rstrip(" /:;,=") for code, text in one if code in codes] for one in both if one]

    def first(tag: str, codes: str) -> list[str]:
        return (texts(tag, record.first(tag), codes) or [[]])[0]

    names = [name[0] for tag in ("100", "700") for one in record.all(tag) for name in texts(tag, one, "a") if name]
    place, house = (next(iter(first("260", code)), "") for code in "ab")
    return Real(" ".join(first("245", "ab")), [name.rstrip(".") for name in names], place, house)


def _names(pieces: Pieces, rows: list[list[Real]], rng: random.Random) -> tuple[list[Ids], list[Ids], Ids]:
    surnames: list[list[int]] = [[], []]
    forenames: list[list[int]] = [[], []]
    pinyin: dict[int, int] = {}

    def piece(kind: str, text: str, end: str, short: str) -> int:
        return pieces.add(
            kind, text, lambda: (*(_typo(text, rng, "明国文伟") for _ in range(TYPO, SHORT)), short), end
        )

    for row in rows[LATIN]:
        for name in filter(None, map(_LATIN_NAME.fullmatch, row.names)):
            if not set(name[0].lower().replace(".", " ").replace(",", " ").split()) & _RELATORS:
                surnames[LATIN].append(piece("surname", name[1], ", ", name[1]))
                forenames[LATIN].append(piece("forename", name[2], " ", name[2][0] + "."))
    for row in rows[CHINESE]:
        for han, roman in pairwise(row.names):
            latin = _PINYIN_NAME.fullmatch(roman)
            if latin and _HAN_NAME.fullmatch(han) and not set(han) & (_ROLES | set(IN_PHRASES)):
                surname = piece("surname", han[0], "", han[0])
                forename = piece("forename", han[1:], "", han[1:])
                surnames[CHINESE].append(surname)
                forenames[CHINESE].append(forename)
                pinyin[surname] = piece("surname", latin[1], ", ", latin[1])
                pinyin[forename] = piece("forename", latin[2], " ", latin[2][0] + ".")
    romanised = np.full(len(pieces.texts), -1, np.int32)
    for han_id, roman_id in pinyin.items():
        romanised[han_id : han_id + VARIANTS] = roman_id
    as_ids = [[np.array(ids, np.int32) for ids in both] for both in (surnames, forenames)]
    return as_ids[0], as_ids[1], romanised


def load(folder: Path = DATA) -> Vocabulary:
    """The vocabulary of the real records in a folder.

    Raises:
        NoData: they are not there.
    """
    rng, pieces = random.Random(4), Pieces()
    rows = _real(folder)
    latin = [_LATIN_WORD.findall(row.title.lower()) for row in rows[LATIN]]
    chinese = _han_words([_HAN_RUN.findall(row.title) for row in rows[CHINESE]])
    chains = [_chain(pieces, latin, "word", " ", rng), _chain(pieces, chinese, "han", "", rng)]
    surnames, forenames, romanised = _names(pieces, rows, rng)
    houses = [[(row.place, row.house) for row in some if row.place and row.house] for some in rows]
    publishers, of_script = _publishers(houses, rng)
    all_texts = pa.array(pieces.texts, pa.string())
    return Vocabulary(
        all_texts, keys.folded(all_texts), chains, surnames, forenames, romanised, publishers, of_script,
        _editions(), _volumes(),
    )  # fmt: skip

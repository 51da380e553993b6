"""A made-up union catalogue of any size, with its truth: which records are copies of one book.

Works are drawn from the vocabulary; a work is one bib or a family of bibs that are alike and not the same
(`FAMILIES`).  A bib is held by 1 to 1,800 libraries, Zipf.  Most copies come from a few versions in circulation
(of CALIS, of a supplier, of a first cataloguer), which differ from the master as `bench.changes` says; libraries
then change a few more, and each library's system has habits.  The same seed gives the same union.

What is one bib here: copies of one edition on one carrier, whatever their impression.  A reissue (a new setting or
house, years later, or under a new ISBN) is another bib; so is each volume, edition and translation, and the
electronic form.

Everything is made as numbers, chunk by chunk; `columns` turns them into `staged.bib` with its match keys, directly
(`transforms.keys` says the same of the texts, and a test holds it to that).
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.changes import SOURCES, Rows, apply_habits, change
from bench.columns import columns
from bench.vocabulary import CHINESE, EDITIONS, LATIN, LONGEST_TITLE, VOLUMES, Chain, Vocabulary
from schemas.staged import STAGED_RECORD
from warehouse import contract

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CHUNK = 500_000  # records made at once
BIBS_A_CHUNK = 140_000  # more than there are; numbers of bibs are unique over chunks
ZIPF = 2.0  # the share of bibs with s copies falls as s to this power: 4.9 copies on average
CATALOGUED_TWICE = 0.004  # copies that a library has a second time

# family: share of works; each has bibs that may not be joined
FAMILIES = {
    "single": 0.76,
    "edition": 0.07,  # two to four, some years apart
    "volume": 0.05,  # two to six; a third under one ISBN
    "electronic": 0.04,  # print and electronic; a third share the ISBN
    "translation": 0.02,  # the original, and one or two translations into Chinese
    "reissue": 0.03,  # another setting or house, years later
    "lookalike": 0.03,  # another book with the same creator, publisher and year, and most of the title
}
KINDS = tuple(FAMILIES)
MOST = {"edition": 4, "volume": 6, "electronic": 2, "translation": 3, "reissue": 3, "lookalike": 2}  # bibs

SINGLE_COPIES = 0.03  # of these chances, for a copy of a version
OWN_VERSION = 0.45  # copies that follow another version than the master
PARQUET = {"compression": "zstd", "compression_level": 1}
# columns that hold few different values; the others take longer with a dictionary
FEW = "source_id edition volume_key edition_key lang orig_lang carrier kind".split()


def take(rows: Rows, at: NDArray) -> Rows:
    """Some rows, in the order given."""
    return {name: values[at] for name, values in rows.items()}


# --- works ------------------------------------------------------------------------------------------------


def _titles(chain: Chain, count: int, shortest: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Pieces that follow each other as in real titles, with leaps; -1 behind the end."""
    made = np.full((count, LONGEST_TITLE), -1, np.int32)
    made[:, 0] = rng.choice(chain.starts, count)
    length = np.maximum(rng.choice(chain.lengths, count), shortest)
    for k in range(1, LONGEST_TITLE):
        before = made[:, k - 1]
        known = chain.number[np.minimum(before, len(chain.number) - 1)] * (before < len(chain.number))
        next_ = np.minimum(chain.first[np.minimum(before, len(chain.first) - 1)] + rng.integers(0, 1 << 30, count)
                           % np.maximum(known, 1), len(chain.followers) - 1)  # fmt: skip
        leap = (known == 0) | (rng.random(count) < 0.35)
        made[:, k] = np.where(leap, rng.choice(chain.all, count), chain.followers[next_])
    made[np.arange(LONGEST_TITLE) >= length[:, None]] = -1
    return made


def _by_script(chinese: Flags, latin: NDArray, han: NDArray) -> NDArray:
    return np.where(chinese.reshape(-1, *[1] * (latin.ndim - 1)), han, latin)


def _names(words: Vocabulary, chinese: Flags, rng: np.random.Generator) -> NDArray[np.int32]:
    """Up to three creators, each surname and forename; -1 where there is none."""
    count = len(chinese)
    made = np.stack(
        [
            _by_script(chinese, rng.choice(parts[LATIN], (count, 3)), rng.choice(parts[CHINESE], (count, 3)))
            for parts in (words.surnames, words.forenames)
        ],
        axis=2,
    )
    number = rng.choice(4, count, p=[0.04, 0.66, 0.2, 0.1])
    made[np.arange(3) >= number[:, None]] = -1
    return made


def _works(words: Vocabulary, count: int, rng: np.random.Generator) -> Rows:
    chinese = rng.random(count) < 1 / 3
    kind = rng.choice(len(KINDS), count, p=list(FAMILIES.values())).astype(np.int8)
    chinese &= kind != KINDS.index("translation")
    title, subtitle = (
        _by_script(chinese, *(_titles(chain, count, shortest, rng) for chain in words.chains))
        for shortest in (2, 1)
    )
    # titles like "Introduction to history" or 中国文学史 that many books have
    common = rng.random(count) < 0.06
    title[common, 3:] = -1
    subtitle[(rng.random(count) < 0.5) | common] = -1
    serial = (rng.random(count) < 0.02) & (kind == 0)
    age = np.where(chinese, rng.exponential(10, count), rng.exponential(25, count))
    year = np.maximum(2014 - age, np.where(chinese, 1930, 1700)).astype(np.int32)
    house = _by_script(chinese, *(rng.choice(some, count) for some in words.houses))
    return {
        "chinese": chinese,
        "kind": kind,
        "title": title,
        "subtitle": subtitle,
        "part_title": np.full((count, 3), -1, np.int32),
        "names": _names(words, chinese, rng),
        "publisher": house.astype(np.int32),
        "place": house.astype(np.int32),
        "year": np.where(serial, 0, year).astype(np.int32),
        "pages": np.where(serial, 0, rng.lognormal(5.6, 0.45, count)).astype(np.int32),
        "edition": np.where(chinese & (year > 1985) & ~serial, (CHINESE * EDITIONS + 1) * 2, -1).astype(np.int16),
        "volume": np.full(count, -1, np.int16),
        "lang": np.where(chinese, 1, 0).astype(np.int8),
        "original": np.full(count, -1, np.int8),
        "electronic": np.zeros(count, bool),
        "serial": serial,
        "joined": np.zeros(count, bool),
        "volume_in_title": np.zeros(count, bool),
        "changes": np.zeros(count, np.int64),
    }


# --- bibs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """For each bib its place in its family."""

    work: Ints  # row of its work
    nth: Ints  # 0 for the first
    size: Ints
    share: NDArray[np.float64]  # one draw for all of a family

    def later(self, bibs: Rows, kind: str) -> Flags:
        """The bibs behind the first, of families of a kind."""
        return (bibs["kind"] == KINDS.index(kind)) & (self.nth > 0)


def _families(works: Rows, rng: np.random.Generator) -> Family:
    kind = works["kind"]
    sizes = np.ones(len(kind), np.int64)
    for name, most in MOST.items():
        some = kind == KINDS.index(name)
        sizes[some] = rng.integers(2, most + 1, some.sum())
    work = np.repeat(np.arange(len(sizes)), sizes)
    nth = np.arange(len(work)) - (np.cumsum(sizes) - sizes)[work]
    return Family(work, nth, sizes[work], rng.random(len(sizes))[work])


def _bibs(words: Vocabulary, works: Rows, first: int, rng: np.random.Generator) -> Rows:
    """The bibs of all works; `first` is the number of the first."""
    family = _families(works, rng)
    bibs = take(works, family.work)
    bibs |= {"work": family.work + first, "bib": np.arange(len(family.work)) + first}
    for alter in (_editions, _volumes, _electronic, _translations, _reissues, _lookalikes):
        alter(bibs, family, words, rng)
    return bibs | _identifiers(bibs, family, rng)


def _editions(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = family.later(bibs, "edition"), len(family.nth)
    bibs["year"][some] += (family.nth * 4 + rng.integers(-1, 2, count))[some]
    revised = (family.share < 0.15) & (family.nth == 1)
    number = np.where(revised, EDITIONS - 1, family.nth + 1)
    bibs["edition"][some] = ((bibs["chinese"] * EDITIONS + number) * 2)[some]
    bibs["pages"][some] = (bibs["pages"] * (1.03 + 0.1 * rng.random(count)))[some]


def _volumes(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = bibs["kind"] == KINDS.index("volume"), len(family.nth)
    style = np.where(bibs["chinese"], np.where((family.size == 2) & (family.share < 0.8), 2, 4), 0)
    bibs["volume"][some] = (style * VOLUMES + family.nth + 1)[some]
    bibs["pages"][some] = (bibs["pages"] * (0.9 + 0.2 * rng.random(count)))[some]
    named = some & (family.share > 0.7)
    part = _by_script(bibs["chinese"], *(_titles(chain, count, 2, rng)[:, :3] for chain in words.chains))
    bibs["part_title"][named] = part[named]


def _electronic(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = family.later(bibs, "electronic"), len(family.nth)
    bibs["electronic"][some] = True
    bibs["pages"][some & (rng.random(count) < 0.4)] = 0
    bibs["year"][some] += (rng.random(count) < 0.3)[some]


def _translations(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = family.later(bibs, "translation"), len(family.nth)
    bibs["chinese"][some], bibs["lang"][some], bibs["original"][some] = True, CHINESE, LATIN
    bibs["title"][some] = _titles(words.chains[CHINESE], count, 2, rng)[family.work][some]
    bibs["subtitle"][some] = -1
    bibs["names"][some, 1] = _names(words, np.ones(count, bool), rng)[some, 0]
    bibs["year"][some] += (family.nth * 5 + rng.integers(0, 5, count))[some]
    bibs["publisher"][some] = bibs["place"][some] = rng.choice(words.houses[CHINESE], some.sum())


def _reissues(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = family.later(bibs, "reissue"), len(family.nth)
    bibs["year"][some] += (family.nth * 6 + rng.integers(0, 6, count))[some]
    bibs["pages"][some & (rng.random(count) < 0.5)] += 7
    moved = some & (rng.random(count) < 0.5)
    house = _by_script(bibs["chinese"], *(rng.choice(houses, count) for houses in words.houses))
    bibs["publisher"][moved] = bibs["place"][moved] = house[moved]


def _lookalikes(bibs: Rows, family: Family, words: Vocabulary, rng: np.random.Generator) -> None:
    some, count = np.flatnonzero(family.later(bibs, "lookalike")), len(family.nth)
    last = np.maximum((bibs["title"] >= 0).sum(axis=1) - 1, 1)
    other = _by_script(bibs["chinese"], *(rng.choice(chain.all, count) for chain in words.chains))
    bibs["title"][some, last[some]] = other[some]
    bibs["pages"][some] = (bibs["pages"] * (0.9 + 0.2 * rng.random(count)))[some]


def _identifiers(bibs: Rows, family: Family, rng: np.random.Generator) -> Rows:
    """Numbers, three to choose from for each bib; -1 for none."""
    count, share = len(family.nth), family.share
    own = bibs["bib"] * 3
    head = own - family.nth * 3  # of the first bib in the family
    old = bibs["year"] < np.where(bibs["chinese"], 1987, 1972)
    shares_isbn = (family.later(bibs, "volume") & (share < 0.35)) | (
        family.later(bibs, "electronic") & (share < 0.3)
    )
    isbn = np.stack([np.where(shares_isbn, head, own), np.full(count, -1)], axis=1)
    second = rng.random(count) < 0.25
    isbn[second, 1] = own[second] + 1
    of_set = (bibs["kind"] == KINDS.index("volume")) & (share >= 0.35) & (share < 0.7)
    isbn[of_set, 1] = head[of_set] + 2
    isbn[old | bibs["serial"] | (rng.random(count) > 0.94)] = -1
    draws = rng.random((4, count))
    chinese = bibs["chinese"]
    return {
        "isbn": isbn,
        "calis": np.where(draws[0] < np.where(chinese, 0.9, 0.4), own, -1),
        "lccn": np.where(~chinese & (draws[1] < 0.7), own, -1),
        "oclc": np.where(draws[2] < np.where(chinese, 0.2, 0.7), own, -1),
        "ubsn": np.where(chinese & old & (bibs["year"] > 1955) & (draws[3] < 0.6), own, -1),
        "issn": np.where(bibs["serial"] & (draws[3] < 0.9), own, -1),
    }


# --- copies -----------------------------------------------------------------------------------------------


def _records(words: Vocabulary, bibs: Rows, sizes: Ints, rng: np.random.Generator) -> Rows:
    """The copies of all bibs, `sizes` of each."""
    versions = 1 + np.log2(sizes).astype(np.int64)
    version_of = np.repeat(np.arange(len(sizes)), versions)
    first = np.cumsum(versions) - versions
    made = take(bibs, version_of)
    master = np.zeros(len(version_of), bool)
    master[first] = True
    masters = take(made, np.flatnonzero(master))
    change(made, 1.0, rng)
    for name, values in masters.items():
        made[name][master] = values

    bib = np.repeat(np.arange(len(sizes)), sizes)
    count = len(bib)
    nth = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.where(rng.random(count) < OWN_VERSION, rng.integers(0, 1 << 30, count) % versions[bib], 0)
    # sources of a bib are all different: a step that has no factor in common with their number
    start, step = rng.integers(0, SOURCES, len(sizes)), rng.choice([7, 11, 77, 143, 331, 1009], len(sizes))
    source = (start[bib] + nth * step[bib]) % SOURCES
    twice = np.flatnonzero((rng.random(count) < CATALOGUED_TWICE) & (nth > 0))
    source[twice] = source[twice - 1]
    order = rng.permutation(count)
    rows = take(made, (first[bib] + chosen)[order])
    rows["source"] = source[order]
    alone = (sizes == 1)[bib][order]
    change(rows, SINGLE_COPIES, rng)
    lone = np.flatnonzero(alone)
    changed = take(rows, lone)
    change(changed, 1.0, rng)
    for name, values in changed.items():
        rows[name][lone] = values
    apply_habits(rows, words)
    return rows


# --- the whole --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some records: `staged.bib`, and for each row its bib, work, kind of family and changes."""

    bib: pa.Table
    truth: pa.Table


def parts(words: Vocabulary, records: int, seed: int = 4, texts: bool = False) -> Iterator[Part]:
    """A union of so many records, chunk by chunk; with `texts` also what the keys are made from."""
    for number, begin in enumerate(range(0, records, CHUNK)):
        count = min(CHUNK, records - begin)
        rng = np.random.default_rng([seed, number])
        share = np.arange(1, min(SOURCES, max(records // 20, 20)) + 1) ** -ZIPF
        share /= share.sum()
        mean = float((share * np.arange(1, len(share) + 1)).sum())
        works = _works(words, int(count / mean * 1.1) + 1000, rng)
        bibs = _bibs(words, works, number * BIBS_A_CHUNK, rng)
        sizes = rng.choice(len(share), len(bibs["bib"]), p=share) + 1
        whole = int(np.searchsorted(np.cumsum(sizes), count)) + 1
        sizes = sizes[:whole]
        sizes[-1] -= sizes.sum() - count
        rows = _records(words, take(bibs, np.arange(whole)), sizes, rng)
        truth = pa.table(
            {
                "bib": rows["bib"],
                "work": rows["work"],
                "kind": pa.DictionaryArray.from_arrays(rows["kind"], pa.array(KINDS)),
                "changes": rows["changes"],
            }
        )
        yield Part(columns(rows, words, begin, texts), truth)


def write(words: Vocabulary, records: int, folder: Path, seed: int = 4) -> None:
    """Write `bib.parquet`, `index.parquet` and `truth.parquet`; the next chunk is made while one is written.

    The records of a source stand together, as in a lake, where each batch is of one; `record_no` and the truth
    keep the order in which they were made.
    """
    first = next(parts(words, 1, seed))
    with (
        pq.ParquetWriter(folder / "made.parquet", first.bib.schema, use_dictionary=FEW, **PARQUET) as bibs,
        pq.ParquetWriter(
            folder / "truth.parquet", first.truth.schema, use_dictionary=["kind"], **PARQUET
        ) as truth,
        ThreadPoolExecutor(1) as behind,
    ):
        waiting: list[Future[None]] = []
        for part in parts(words, records, seed):
            for writing in waiting:
                writing.result()
            tables = ((bibs, part.bib), (truth, part.truth))
            waiting = [behind.submit(to.write_table, table, 131_072) for to, table in tables]
        for writing in waiting:
            writing.result()
    con = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(folder / "scratch")})
    made, bib = (str(folder / f"{name}.parquet") for name in ("made", "bib"))
    in_order = con.read_parquet(made).order("source_id, record_id")
    in_order.write_parquet(bib, compression="zstd", row_group_size=contract.GROUP_ROWS)
    write_index(con.read_parquet(bib), folder / "index.parquet")
    (folder / "made.parquet").unlink()


def write_index(records: duckdb.DuckDBPyRelation, file: Path) -> None:
    """The record index of some records, which are in order, as `transforms.stage` writes it."""
    schema = STAGED_RECORD.schema
    indexed = records.project("source_id, record_id, batch_id, record_no, hash(record_no), false")
    with pq.ParquetWriter(file, schema, **contract.written(STAGED_RECORD.full_name)) as sink:
        for batch in indexed.to_arrow_reader(contract.GROUP_ROWS):
            sink.write_table(pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema))

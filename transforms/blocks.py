"""The blocks that groups are in: those who have one in common are compared.

A block has a rule and a key, which is made of one or two parts of what a group says.  Its number is a digest of
the rule and the parts, the same on every engine; it is made of the bytes as they lie in Arrow's columns, since
no more than a few keys are ever read as texts.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from harvesters.byte_kernel import xxh64
from transforms.candidates import TITLE_START
from transforms.digests import mixed, seed
from transforms.lookup_kernel import NONE, Ints
from transforms.text_columns import padded

AT_ONCE = 1 << 14  # groups, so that what is made of them stays in the cache
CONTINUED, LEAD_BITS = 0x80, 0xC0  # of the bytes of a character behind its first one
NOTHING = "\xff"  # a byte that no text has


class Part(NamedTuple):
    """A part of keys; null where its column is."""

    column: str
    characters: int = 0  # of a text, from its beginning, or below 0 from its end
    unlike: str = ""  # another part; null where both are the same
    without: str = ""  # another part; null where that is not


PARTS = {
    "start": Part("full_title_key", TITLE_START),
    "end": Part("full_title_key", -TITLE_START),
    "short": Part("title_key", TITLE_START, unlike="start"),  # of one who left out the subtitle
    "surname": Part("creator_key", 6),
    "creator": Part("creator_key", 12),
    "pages": Part("pages"),
    "year": Part("pub_year"),
    "coded": Part("coded_year", unlike="year"),  # either year may be the other's
    "unpaged": Part("pub_year", without="pages"),  # articles, and what else is known without pages
}
RULES = (
    ("title, creator", "start", "surname"),
    ("title, year", "start", "year"),
    ("title, year", "start", "coded"),
    ("title, pages", "start", "pages"),
    ("title, creator", "short", "surname"),
    ("title, year", "short", "year"),
    ("title, pages", "short", "pages"),
    ("end of title, pages", "end", "pages"),
    ("end of title, year", "end", "unpaged"),
    ("creator, pages", "surname", "pages"),
    ("creator, year", "creator", "year"),
)
# Columns of which a value is a key, and what stands between several.
VALUES = {"calis_id": "", "lccn": "", "oclc": "", "ubsn": "", "isbn": "|", "issn": "|", "standard_no": "|"}
COLUMNS = tuple(dict.fromkeys([*(part.column for part in PARTS.values()), *VALUES]))
NAMED = pa.schema([("block", pa.int64()), ("row", pa.int32()), ("rule", pa.string()), ("key", pa.string())])


def places(groups: pa.Table, threads: int) -> tuple[Ints, Ints]:
    """The block and the row of each place where groups meet, in no order; a row is in a block once.

    Args:
        groups: `COLUMNS`.
    """
    batches = groups.select(COLUMNS).to_batches(AT_ONCE)
    starts = accumulate(map(len, batches), initial=0)

    def some(batch: pa.RecordBatch, start: int) -> tuple[Ints, Ints]:
        block, row = _together(_by_rule(batch))
        return block, np.add(row, start, dtype=np.int32)

    with ThreadPoolExecutor(threads) as pool:
        return _together(pool.map(some, batches, starts))


def _together(places: Iterable[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    block, row = zip((np.zeros(0, np.int64), np.zeros(0, np.int32)), *places, strict=True)
    return np.concatenate(block), np.concatenate(row)


def named(groups: pa.Table) -> pa.Table:
    """`NAMED`: what the blocks of a few groups are called.

    Args:
        groups: `COLUMNS`.
    """
    found = [NAMED.empty_table()]
    for batch in groups.select(COLUMNS).combine_chunks().to_batches():
        keys = zip(*map(_keys, batch.to_pylist()), strict=True)
        for rule, of_rows, (block, row) in zip(_names(), keys, _by_rule(batch), strict=True):
            key = [key for of_row in of_rows for key in of_row]
            found.append(pa.table([block, row, [rule] * len(key), key], schema=NAMED))
    return pa.concat_tables(found)


def _names() -> list[str]:
    """The rule of each answer of `_by_rule` and `_keys`."""
    return [*(rule for rule, *_ in RULES), *VALUES]


# --- as numbers ------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _digests(data, ends, there, characters):
    """63 bits of how each text begins or ends, or NONE."""
    out = np.full(len(there), NONE, np.int64)
    for row in range(len(there)):
        if not there[row]:
            continue
        start, end, left = ends[row], ends[row + 1], abs(characters)
        if characters > 0:
            at = start
            while at < end:
                left -= data[at] & LEAD_BITS != CONTINUED
                if left < 0:
                    break
                at += 1
            end = at
        else:
            at = end
            while at > start and left > 0:
                at -= 1
                left -= data[at] & LEAD_BITS != CONTINUED
            start = at
        out[row] = xxh64(data, start, end) >> np.uint64(1)
    return out


@njit(cache=True, nogil=True)
def _of_parts(one, other, seed):
    block, row = np.empty(len(one), np.int64), np.empty(len(one), np.int32)
    count = 0
    for at in range(len(one)):
        if one[at] != NONE and other[at] != NONE:
            block[count] = mixed(np.uint64(other[at]), mixed(np.uint64(one[at]), seed)) >> np.uint64(1)
            row[count] = at
            count += 1
    return block[:count], row[:count]


@njit(cache=True, nogil=True)
def _of_values(data, ends, there, between, seed):
    """Of each value; of a list of them, each once."""
    most = len(there)
    for byte in data:
        most += byte == between
    block, row = np.empty(most, np.int64), np.empty(most, np.int32)
    count = 0
    for at in range(len(there)):
        if not there[at]:
            continue
        first, start, end = count, ends[at], ends[at + 1]
        while start <= end:
            stop = start
            while stop < end and data[stop] != between:
                stop += 1
            one, same = np.int64(mixed(xxh64(data, start, stop), seed) >> np.uint64(1)), first
            while same < count and block[same] != one:
                same += 1
            if same == count:
                block[count], row[count] = one, at
                count += 1
            start = stop + 1
    return block[:count], row[:count]


def _by_rule(groups: pa.RecordBatch) -> Iterator[tuple[Ints, Ints]]:
    """Blocks and rows by each of the rules in turn."""
    there = {name: pc.is_valid(groups[name]).to_numpy(zero_copy_only=False) for name in COLUMNS}
    texts = {name: padded(groups[name]) for name in COLUMNS if not pa.types.is_integer(groups[name].type)}
    parts: dict[str, Ints] = {}
    for name, part in PARTS.items():
        if part.characters:
            found = _digests(*texts[part.column], there[part.column], part.characters)
        else:
            found = _numbers(groups[part.column])
        if part.unlike:
            found[found == parts[part.unlike]] = NONE
        if part.without:
            found[parts[part.without] != NONE] = NONE
        parts[name] = found
    for rule, one, other in RULES:
        yield _of_parts(parts[one], parts[other], seed(rule))
    for rule, between in VALUES.items():
        yield _of_values(*texts[rule], there[rule], ord(between or NOTHING), seed(rule))


def _numbers(column: pa.Array) -> Ints:
    """Numbers of 32 bits as others from 0 on, or NONE."""
    least = -(1 << 31)
    numbers: Ints = pc.fill_null(column.cast(pa.int64()), least + NONE).to_numpy() - least
    return numbers


# --- as texts --------------------------------------------------------------------------------------------


def _keys(group: dict[str, Any]) -> Iterator[list[str]]:
    """The keys of a group by each of the rules in turn."""
    parts: dict[str, Any] = {}
    for name, part in PARTS.items():
        value = group[part.column]
        if value is not None and part.characters:
            value = value[: part.characters] if part.characters > 0 else value[part.characters :]
        alike = value == parts.get(part.unlike)
        parts[name] = None if alike or parts.get(part.without) is not None else value
    for _, *names in RULES:
        key = [parts[name] for name in names]
        yield [] if None in key else ["/".join(map(str, key))]
    for rule, between in VALUES.items():
        value = group[rule]
        several = [value] if not between or value is None else dict.fromkeys(value.split(between))
        yield [one for one in several if one is not None]

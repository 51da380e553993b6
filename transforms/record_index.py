"""The record index: which records are present, where each is staged, in what order they stand, and what changed.

It is read piece by piece, so that an increment never has all of it in memory at once.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

from transforms.ahead import ahead
from transforms.lookup_kernel import NONE, Ints, picked
from transforms.text_columns import buffers

PLACE = ("source_id", "batch_id", "record_no")  # what tells a record from all others, and from what it was
NAMES = PLACE[:2]  # columns with few values
Index = Callable[[list[str]], Iterator[pa.Table]]  # some columns of the records that are present, in order
_NAME = pa.dictionary(pa.int32(), pa.string())
_NOWHERE = pa.schema([(PLACE[0], _NAME), (PLACE[1], _NAME), (PLACE[2], pa.int32())]).empty_table()
WAITING = 4  # groups of rows that are read before they are asked for
FAR = 10_000  # known records among which one that is present is looked for


def read(files: Sequence[Path], threads: int, columns: list[str]) -> Iterator[pa.Table]:
    """Columns of the records that are present, from record indexes one after the other, piece by piece."""

    def piece(file: Path, told: pq.FileMetaData, nth: int) -> pa.Table:
        asked = [*columns, "deleted"] if _some_deleted(told.row_group(nth)) else columns
        with pq.ParquetFile(file, metadata=told, memory_map=True, read_dictionary=NAMES) as reader:
            rows = reader.read_row_group(nth, asked, use_threads=False).select(asked)
        return rows if asked is columns else rows.filter(pc.invert(rows["deleted"])).select(columns)

    told = ((file, pq.read_metadata(file)) for file in files)
    pieces = (partial(piece, file, one, nth) for file, one in told for nth in range(one.num_row_groups))
    return ahead(pieces, threads, WAITING)


def _some_deleted(group: pq.RowGroupMetaData) -> bool:
    """Whether a group of rows may have records that are deleted."""
    held = (group.column(at) for at in range(group.num_columns))
    told = next(one.statistics for one in held if one.path_in_schema == "deleted")
    return told is None or not told.has_min_max or bool(told.max)


# --- columns ---------------------------------------------------------------------------------------------


def coded(present: pa.Table) -> pa.Table:
    """Records with sources and batches as dictionaries, each with one for all of its values."""
    for name in NAMES:
        if not pa.types.is_dictionary(present.schema.field(name).type):
            present = present.set_column(
                present.schema.get_field_index(name), name, present[name].dictionary_encode()
            )
    return present.unify_dictionaries()


def named(present: pa.Table) -> pa.Table:
    """Records with sources and batches as texts."""
    for place, column in enumerate(present.schema):
        if pa.types.is_dictionary(column.type):
            present = present.set_column(place, column.name, present[column.name].cast(pa.string()))
    return present


def values(column: pa.ChunkedArray) -> pa.Array:
    """What the codes of a column stand for that mean the same in all pieces, as they do in `Known.record`."""
    last = column.num_chunks - 1
    return pa.array([], pa.string()) if last < 0 else column.chunk(last).dictionary


def coding(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The codes of a column of which they mean the same in all pieces."""
    return pa.chunked_array([chunk.indices for chunk in column.chunks], column.type.index_type)


def codes(column: pa.ChunkedArray, names: pa.Array) -> Ints:
    """Where each value of a dictionary stands among some names, NONE where it doesn't."""
    found, start = np.empty(len(column), np.int32), 0
    for chunk in column.chunks:
        if len(chunk):
            code = _among(chunk.dictionary, names)
            found[start : start + len(chunk)] = picked(code, chunk.indices.to_numpy())
        start += len(chunk)
    return found


def names(*columns: pa.ChunkedArray) -> pa.Array:
    """All values of some dictionaries, in order of their bytes."""
    dictionaries = {id(chunk.dictionary): chunk.dictionary for column in columns for chunk in column.chunks}
    found = {name for dictionary in dictionaries.values() for name in dictionary.to_pylist()}
    return pa.array(sorted(found), pa.string())


def _among(some: pa.Array, names: pa.Array) -> Ints:
    """Where each of some names stands among others, NONE where it doesn't."""
    return np.asarray(pc.fill_null(pc.index_in(some, names), NONE).to_numpy(zero_copy_only=False))


# --- order -----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _bytes_differ(a, a_start, a_end, b, b_start, b_end):
    """Below, at or above 0, as the one text's bytes stand before, at or behind the other's."""
    for k in range(min(a_end - a_start, b_end - b_start)):
        if a[a_start + k] != b[b_start + k]:
            return np.int64(a[a_start + k]) - np.int64(b[b_start + k])
    return (a_end - a_start) - (b_end - b_start)


@njit(cache=True, nogil=True)
def _straight(source, data, at):
    """`straight`, where sources are ranks.

    Args:
        data, at: the bytes of all identifiers, and where each begins and the last one ends.
    """
    for row in range(1, len(source)):
        if source[row] < source[row - 1]:
            return False
        if source[row] == source[row - 1]:
            ends = np.int64(at[row - 1]), np.int64(at[row]), np.int64(at[row + 1])
            if _bytes_differ(data, ends[0], ends[1], data, ends[1], ends[2]) >= 0:
                return False
    return True


def texts(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and offsets of a column of texts, none of them null; copied only where it is in several pieces."""
    if column.nbytes >= 1 << 31:
        column = column.cast(pa.large_string())
    one = (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays([pa.array([], column.type), *column.chunks])
    )
    return buffers(one)


def straight(present: pa.Table) -> bool:
    """Whether records, which are `coded`, are in order of source and identifier, each once."""
    source = codes(present["source_id"], names(present["source_id"]))
    return bool(_straight(source, *texts(present["record_id"])))


class Order(NamedTuple):
    """In what order records stand, those that are no more too: the first ones as they lie, others between."""

    base: int  # how many stand as they lie
    added: Ints  # the rows of the others, in order
    before: Ints  # of each of them the row before which it stands; `base` at the end

    def living(self, group: Ints, coming: int) -> Ints:
        """The records that are, in order: those that are in a group, or stand in a row from `coming` on."""
        out = np.empty(self.base + len(self.added), np.int32)  # by numpy, which asks for large pages
        return out[: _living(*self, group, coming, out)]

    def _nth(self, rows: Ints) -> Ints:
        """The places in `added` of some records that are there."""
        nth = np.empty(len(self.added), np.int32)
        nth[self.added - self.base] = np.arange(len(self.added), dtype=np.int32)
        return nth[rows - self.base]

    def keys(self) -> Ints:
        """Of each record behind the first ones: by what it is put in order among others (`stands`)."""
        nth = self._nth(np.arange(self.base, self.base + len(self.added)))
        return self.before[nth].astype(np.int64) << 32 | nth

    def places(self, rows: Ints) -> Ints:
        """Where some records stand among all."""
        if not len(self.added):
            return rows
        first, out = rows < self.base, np.empty(len(rows), np.int32)
        out[first] = rows[first] + np.searchsorted(self.before, rows[first], side="right")
        others = self._nth(rows[~first])
        out[~first] = self.before[others] + others
        return out

    def with_more(self, follow: Ints) -> "Order":
        """With records that came; they have the next rows.

        Args:
            follow: of each the row before which it is put, NONE at the end; of the same one they stay in order.
        """
        if not len(follow):
            return self
        first, end = (follow >= 0) & (follow < self.base), follow == NONE
        before, place = follow.copy(), np.empty(len(follow), np.int64)
        before[end], place[end] = self.base, len(self.added)
        place[first] = np.searchsorted(self.before, follow[first], side="right")
        others = ~first & ~end
        place[others] = self._nth(follow[others])
        before[others] = self.before[place[others]]
        rows = self.base + len(self.added) + np.arange(len(follow), dtype=np.int32)
        return Order(self.base, np.insert(self.added, place, rows), np.insert(self.before, place, before))


@njit(cache=True, nogil=True)
def stands(row, base, keys):
    """A number by which records are in order, of one of them.

    Args:
        keys: `Order.keys`.
    """
    return np.int64(row) << 32 | 0xFFFFFFFF if row < base else keys[row - base]


@njit(cache=True, nogil=True)
def _living(base, added, before, group, coming, out):
    count = start = 0
    for nth in range(len(added) + 1):
        end = before[nth] if nth < len(added) else base
        for row in range(start, end):
            out[count] = row  # overwritten by the next one if it is no more
            count += group[row] >= 0
        start = end
        if nth < len(added) and (group[added[nth]] >= 0 or added[nth] >= coming):
            out[count] = added[nth]
            count += 1
    return count


# --- what changed ----------------------------------------------------------------------------------------


class Changes(NamedTuple):
    """Which records came and which went."""

    came: pa.Table  # PLACE of those that came, in order, `coded`
    follow: Ints  # of each of them the row before which it is put, which may go away, or NONE
    behind: Ints  # of each the row of the record that stays behind which it stands; NONE if that one came, too
    before: Ints  # the same of that before which it stands
    went: Ints  # rows


class _Places(NamedTuple):
    """PLACE in columns, for compiled functions: two records that stand at one place are the same."""

    source: Ints  # codes
    batch: Ints  # codes
    number: Ints


@njit(cache=True, nogil=True)
def _of(kept, later, row):
    return kept[row] if row < len(kept) else later[row - len(kept)]


@njit(cache=True, nogil=True)
def _gone(order, k, kept, later, rank, place, batch, number):
    """How many of `order` from the k-th on went before a record that is present; NONE if that one came."""
    for at in range(k, min(len(order), k + FAR)):
        row = order[at]
        here = rank[_of(kept.source, later.source, row)]
        if at == k and here < place:
            return 1
        if here != place or batch == NONE:
            return NONE
        if _of(kept.number, later.number, row) == number and _of(kept.batch, later.batch, row) == batch:
            return at - k
    return NONE


@njit(cache=True, nogil=True)
def _changes(order, kept, later, present, ranks, codes, state, came, went):
    """Go over some records that are present; whether there is room for all that came.

    Args:
        order: rows of the known records, which are `kept` or behind them, in order.
        ranks: of the sources, by their codes among those that are known and those that are present.
        codes: of batches that are known, by their codes in `present`.
        state: changed: how many of `order` were passed, how many came and went, how many were present, and the row
            of the last one that was, or NONE.
        came: filled: a row for each column of `Changes` but the last, where the first is the place among all
            that are present.
        went: filled.
    """
    sources, batches, numbers = kept  # looked into once, since a named tuple is slow in a loop
    more_sources, more_batches, more_numbers = later
    source_now, batch_now, number_now = present
    rank, rank_now = ranks
    k, n_came, n_went, passed, last = state
    at, known = 0, np.uint32(len(numbers))
    while at < len(number_now):
        # Most stay as they are, so this is the inner loop; a signed number would be looked at for counting from
        # the end, and `_of` takes ten times as long.
        stay, most = np.uint64(0), np.uint64(min(len(order) - k, len(number_now) - at))
        while stay < most:
            row, now = np.uint32(order[np.uint64(k) + stay]), np.uint64(at) + stay
            if row < known:
                source, batch, number = np.uint32(sources[row]), batches[row], numbers[row]
            else:
                nth = row - known
                source, batch, number = np.uint32(more_sources[nth]), more_batches[nth], more_numbers[nth]
            if (
                number != number_now[now]
                or batch != codes[np.uint32(batch_now[now])]
                or rank[source] != rank_now[np.uint32(source_now[now])]
            ):
                break
            stay += np.uint64(1)
        gone = NONE
        if stay == 0 and k < len(order):
            place, wanted = rank_now[source_now[at]], codes[batch_now[at]]
            gone = _gone(order, k, kept, later, rank, place, wanted, number_now[at])
        if stay > 0:
            if last == NONE and n_came > 0:
                came[3, n_came - 1] = order[k]
            k, at = k + np.int64(stay), at + np.int64(stay)
            last = order[k - 1]
        elif gone > 0:
            went[n_went : n_went + gone] = order[k : k + gone]
            k, n_went = k + gone, n_went + gone
        elif n_came == came.shape[1]:
            return False
        else:
            row = order[k] if k < len(order) else NONE
            came[0, n_came], came[1, n_came], came[2, n_came], came[3, n_came] = passed + at, row, last, NONE
            last = NONE
            n_came, at = n_came + 1, at + 1
    state[:] = k, n_came, n_went, passed + at, last
    return True


def changes(record: pa.Table, order: Ints, pieces: Iterable[pa.Table], most: int) -> Changes | None:
    """Which records came and which went since a record index was read; None where more than `most` came.

    A record before which more than `FAR` of its source went counts as both, which is more work but no other
    result.

    Args:
        record: PLACE of the records that were known, and of others.
        order: the rows of the former, in order.
        pieces: PLACE of those that are present, as `Index` gives them.
    """
    sources, batches = (values(record[name]) for name in NAMES)
    in_order = sorted(sources.to_pylist())
    ranks = _ranks(in_order, sources)
    kept, later = _columns(record)
    came = np.empty((4, most), np.int32)  # of which as a rule little is used, and so taken
    went, state = np.empty(len(order), np.int32), np.array([0, 0, 0, 0, NONE])
    places = [_NOWHERE]
    for piece in pieces:
        for batch in coded(piece.select(PLACE)).to_batches():
            _, before, _, passed, _ = state.tolist()
            names_now, batches_now = (batch[name].dictionary for name in NAMES)
            source, batch_of = (batch[name].indices.to_numpy() for name in NAMES)
            given = _Places(source, batch_of, batch[PLACE[2]].to_numpy())
            both = ranks, _ranks(in_order, names_now)
            if not _changes(order, kept, later, given, both, _among(batches_now, batches), state, came, went):
                return None
            if state[1] > before:
                fresh = batch.take(pa.array(came[0, before : state[1]] - passed))
                places.append(pa.table(fresh.columns, PLACE))
    k, n_came, n_went, _, _ = state.tolist()
    _, follow, behind, before_it = came[:, :n_came].copy()
    gone = np.concatenate([went[:n_went], order[k:]])
    return Changes(coded(pa.concat_tables(places)).combine_chunks(), follow, behind, before_it, gone)


def _ranks(in_order: list[str], sources: pa.Array) -> Ints:
    """Where sources stand among known ones: odd where they are some of these, even where they stand between."""
    places = ((bisect_left(in_order, name), name) for name in sources.to_pylist())
    ranks = [2 * place + (in_order[place : place + 1] == [name]) for place, name in places]
    return np.array(ranks, np.int32)


def _columns(record: pa.Table) -> tuple[_Places, _Places]:
    """PLACE of the first piece of a table, which is not copied, and of the others."""

    def split(name: str) -> tuple[Ints, Ints]:
        column = record[name] if name not in NAMES else coding(record[name])
        first, *others = [chunk.to_numpy() for chunk in column.chunks] or [np.zeros(0, np.int32)]
        return first, np.concatenate([first[:0], *others])

    source, batch, number = (split(name) for name in PLACE)
    return _Places(source[0], batch[0], number[0]), _Places(source[1], batch[1], number[1])

"""What changed since the record index was read before: which records came, and which went.

Nearly all stay, so what tells them is read piece by piece, and gone over once by compiled code.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from transforms.lookup_kernel import NONE, Ints
from transforms.record_index import NAMES, PLACE, among, coded, coding, values

TOGETHER = np.uint64(64)  # records that are compared at once, as most of them stay
FAR = 10_000  # known records among which one that is present is looked for
DONE, MORE, FULL = range(3)  # how `_changes` ends


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


@njit(cache=True, nogil=True, inline="always")
def _gone(
    order, k, sources, batches, numbers, more_sources, more_batches, more_numbers, rank, place, batch, number
):  # fmt: skip
    """How many of `order` from the k-th on went before a record that is present; NONE if that one came."""
    for at in range(k, min(len(order), k + FAR)):
        row = order[at]
        here = rank[_of(sources, more_sources, row)]
        if at == k and here < place:
            return 1
        if here != place or batch == NONE:
            return NONE
        if _of(numbers, more_numbers, row) == number and _of(batches, more_batches, row) == batch:
            return at - k
    return NONE


@njit(cache=True, nogil=True)
def _differ(rows, k, sources, batches, numbers, now, source_now, batch_now, number_now, rank, rank_now, codes):
    """Whether any of `TOGETHER` records is another one, or was added to `numbers` and has to be looked at.

    A loop that neither ends early nor looks into a tuple is run for several records at once by the processor.
    """
    known, others = np.uint32(len(numbers)), 0
    for nth in range(TOGETHER):
        others += np.uint32(rows[k + nth]) >= known
    if others:
        return True
    for nth in range(TOGETHER):
        row, at = np.uint32(rows[k + nth]), now + nth
        if (
            numbers[row] != number_now[at]
            or batches[row] != codes[np.uint32(batch_now[at])]
            or rank[np.uint32(sources[row])] != rank_now[np.uint32(source_now[at])]
        ):
            others += 1
    return others > 0


@njit(cache=True, nogil=True, inline="always")
def _staying(
    order, k, sources, batches, numbers, more_sources, more_batches, more_numbers,
    at, source_now, batch_now, number_now, rank, rank_now, codes,
):  # fmt: skip
    """How many of `order` from the k-th on are those that are present from `at` on.

    A signed number would be looked at for counting from the end, and `_of` takes ten times as long.
    """
    known, stay, most = np.uint32(len(numbers)), np.uint64(0), np.uint64(min(len(order) - k, len(number_now) - at))
    while stay < most:
        while stay + TOGETHER <= most and not _differ(
            order, np.uint64(k) + stay, sources, batches, numbers,
            np.uint64(at) + stay, source_now, batch_now, number_now, rank, rank_now, codes,
        ):  # fmt: skip
            stay += TOGETHER
        end = min(stay + TOGETHER, most)
        while stay < end:
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
                return np.int64(stay)
            stay += np.uint64(1)
    return np.int64(stay)


@njit(cache=True, nogil=True)
def _changes(order, more, kept, later, present, ranks, codes, state, came, went):
    """Go over some records that are present; whether it is done, or more of the order or more room is needed.

    Args:
        order: rows of known records, which are `kept` or behind them, in order; whether `more` of it follows.
        ranks: of the sources, by their codes among those that are known and those that are present.
        codes: of batches that are known, by their codes in `present`.
        state: changed: how many of `order` were passed and of those that are present, how many came and went, and
            the row of the last one that was, or NONE.
        came: filled: a row for each column of `Changes` but the last; the first is the place among `present`.
        went: filled.
    """
    sources, batches, numbers = kept  # looked into once, since a named tuple is slow in a loop
    more_sources, more_batches, more_numbers = later
    source_now, batch_now, number_now = present
    rank, rank_now = ranks
    k, at, n_came, n_went, last = state
    ended = DONE
    while at < len(number_now):
        if more and k + FAR > len(order):
            ended = MORE
            break
        stay, gone = _staying(
            order, k, sources, batches, numbers, more_sources, more_batches, more_numbers,
            at, source_now, batch_now, number_now, rank, rank_now, codes,
        ), NONE  # fmt: skip
        if stay == 0 and k < len(order):
            gone = _gone(
                order, k, sources, batches, numbers, more_sources, more_batches, more_numbers,
                rank, rank_now[source_now[at]], codes[batch_now[at]], number_now[at],
            )  # fmt: skip
        if stay > 0:
            if last == NONE and n_came > 0:
                came[3, n_came - 1] = order[k]
            k, at = k + stay, at + stay
            last = order[k - 1]
        elif gone > 0:
            for nth in range(gone):
                went[n_went + nth] = order[k + nth]
            k, n_went = k + gone, n_went + gone
        elif n_came == came.shape[1]:
            ended = FULL
            break
        else:
            row = order[k] if k < len(order) else NONE
            came[0, n_came], came[1, n_came], came[2, n_came], came[3, n_came] = at, row, last, NONE
            last = NONE
            n_came, at = n_came + 1, at + 1
    state[:] = k, at, n_came, n_went, last
    return ended


def changes(record: pa.Table, order: Iterable[Ints], pieces: Iterable[pa.Table], most: int) -> Changes | None:
    """Which records came and which went since a record index was read; None where more than `most` came.

    A record before which more than `FAR` of its source went counts as both, which is more work but no other
    result.

    Args:
        record: PLACE of the records that were known, and of others.
        order: the rows of the former, in order, some at a time.
        pieces: PLACE of those that are present, as `Index` gives them.
    """
    sources, batches = (values(record[name]) for name in NAMES)
    in_order = sorted(sources.to_pylist())
    ranks = _ranks(in_order, sources)
    kept, later = _columns(record)
    came = np.empty((4, most), np.int32)  # of which as a rule little is used, and so taken
    went, state, fresh = np.empty(len(record), np.int32), np.array([0, 0, 0, 0, NONE]), _Fresh()
    coming = iter(order)
    rows, more = np.zeros(0, np.int32), True
    for piece in pieces:
        for batch in coded(piece.select(PLACE)).to_batches():
            state[1], before = 0, int(state[2])
            (source, batch_of), number = (batch[name] for name in NAMES), batch[PLACE[2]].to_numpy()
            given = _Places(source.indices.to_numpy(), batch_of.indices.to_numpy(), number)
            told = (ranks, _ranks(in_order, source.dictionary)), among(batch_of.dictionary, batches)
            while ended := _changes(rows, more, kept, later, given, *told, state, came, went):
                if ended == FULL:
                    return None
                rest, further = rows[state[0] :], next(coming, None)
                rows, more = rest if further is None else np.concatenate([rest, further]), further is not None
                state[0] = 0
            fresh.add(batch, came[0, before : state[2]])
    k, _, n_came, n_went, _ = state.tolist()
    _, follow, behind, before_it = came[:, :n_came].copy()
    return Changes(fresh.all(), follow, behind, before_it, np.concatenate([went[:n_went], rows[k:], *coming]))


class _Fresh:
    """PLACE of records that came."""

    def __init__(self) -> None:
        self._codes: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        self._parts: dict[str, list[Ints]] = {name: [np.zeros(0, np.int32)] for name in PLACE}

    def add(self, batch: pa.RecordBatch, rows: Ints) -> None:
        """Some of those that are present."""
        if len(rows):
            for name, codes in self._codes.items():
                own = [codes.setdefault(value, len(codes)) for value in batch[name].dictionary.to_pylist()]
                self._parts[name].append(np.array(own, np.int32)[batch[name].indices.to_numpy()[rows]])
            self._parts[PLACE[2]].append(batch[PLACE[2]].to_numpy()[rows])

    def all(self) -> pa.Table:
        """All of them, `coded`."""
        columns = {name: pa.array(np.concatenate(parts)) for name, parts in self._parts.items()}
        for name, codes in self._codes.items():
            columns[name] = pa.DictionaryArray.from_arrays(columns[name], pa.array(codes, pa.string()))
        return pa.table(columns)


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

"""What matching found, as columns: the next run reads them where they lie, and adds to them.

Rows are only ever added: a record that changed is another row, a group keeps its number.  What becomes of rows
(the group of a record, the cluster of a group, what was decided on a pair) stands in arrays of their own, of which
a run writes what became something else.  So it writes little where little changed; the files of what was there
before are linked into its folder.
"""

import mmap
import os
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import Table

from transforms import group_records, lookup_kernel
from transforms.columns import at, whole
from transforms.group_records import Lists, Moves
from transforms.judgement import Record
from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.pair_kernel import Piece, taken_in
from transforms.record_index import Order, coding, values

ADDED = ("record", "described", "placed", "pair")  # tables that grow
GROWING = ("members", "sources", "identity")  # arrays of which no value becomes another
CHANGING = ("group", "starts", "ends", "moved", "component", "inner", "cluster", "rule", "decision")
SMALL = ("added", "before", "apart", "singled")
PAIR = pa.schema(
    [
        ("left", pa.int32()),
        ("right", pa.int32()),
        ("score", pa.int32()),  # in steps, as in `scored.CODED`
        ("rule", pa.int16()),
        ("decision", pa.int8()),
        ("asked", pa.bool_()),  # met in no block
    ]
)
Columns = Iterable[tuple[str, pa.Array | pa.ChunkedArray]]  # with their names
AT_ONCE = 1 << 17  # groups in one batch
MOST_ADDED = 10_000  # rows of a table that may be added to few
SHARE_ADDED = 0.1  # of the rows of a table; where more were added or left, everything is better matched anew
MOST_LISTED = 2  # members that lists of groups have, for each record, before all lists are written anew


@dataclass
class Known:
    """What matching found.  It follows from the records, the judgements, the card, the cap and the code alone.

    Numbers of records, groups and pairs are their rows, and mean nothing.
    """

    record: pa.Table  # RECORD, batch_id, record_no, content, sharing; codes mean the same in all pieces
    group: Ints  # of each record; NONE where it is no more
    added: Ints  # records that were added since all was matched, in order of source and identifier
    before: Ints  # of each of them the record before which it stands, of those that were there then
    apart: Ints  # records that are, or were, in groups of their own, as those of their source say the same
    singled: Ints  # the records that judgements were asked about
    described: pa.Table  # of each group: said, which is what its records have in common, identity, COMPARED
    starts: Ints  # of each group: where its records, which are in order, begin in `members`
    ends: Ints  # and where they end
    members: Ints
    sources: Ints  # of each of `members` its source, as a code
    identity: Ints  # of each group: a digest of its identifier, or `ANY`
    moved: Flags  # of each group: whether it has another first record than when all was matched
    component: Ints  # of each group: one of those that its matches reach; NONE where it is no more
    inner: Flags  # of each group: whether it is inside of the tree of edges that holds its component together
    cluster: Ints  # of each group: one of its cluster
    placed: pa.Table  # block, group; in the order of blocks, in each piece
    pair: pa.Table  # PAIR, as the card decides; in the order of `catalog.match` when all was matched
    rule: Ints  # of each pair in the end
    decision: Ints  # the same; NONE where the pair is no more
    large: pa.Table  # block, rule, key, size of the blocks over the cap
    files: dict[str, list[Path]] = field(default_factory=dict)  # in which rows and arrays are, as far as kept
    rows: dict[str, int] = field(default_factory=dict)  # how many they have
    base: dict[str, int] = field(default_factory=dict)  # rows of the tables when all was matched anew
    became: dict[str, list[Ints]] = field(default_factory=dict)  # rows of arrays put since these were kept whole

    def put(self, name: str, rows: Ints, values: npt.ArrayLike) -> None:
        """Set some values of an array of `CHANGING`: all that become others go through here, and so are kept."""
        getattr(self, name)[rows] = values
        if name in self.files:
            self.became.setdefault(name, []).append(rows)

    def decide(self, pairs: Ints, rule: npt.ArrayLike, decision: npt.ArrayLike) -> None:
        """Set how some pairs are decided in the end."""
        self.put("rule", pairs, rule)
        self.put("decision", pairs, decision)

    def put_down(self, folder: Path, name: str, columns: Columns | None = None) -> None:
        """Write a table into a folder, from which it is read from then on; what is in files is linked there.

        Args:
            columns: of the rows that are in no file yet, each made when it is written; else the table has them.
        """
        table, files, rows = getattr(self, name), self.files.get(name, []), self.rows.get(name, 0)
        kept = [folder / file.name for file in files]
        for file, link in zip(files, kept, strict=True):
            if file != link:
                shutil.copytree(file, link, copy_function=os.link)
        if columns is not None or len(table) > rows or not files:
            kept.append(folder / f"{name}-{len(files):04}")
            some = table.slice(rows)
            each = columns or zip(some.column_names, some.columns, strict=True)
            _write([(name, some)] if rows else _each(each), kept[-1])  # few that were added take one file
        self.files[name] = kept
        setattr(self, name, pa.concat_tables(map(_read, kept)))
        self.rows[name] = len(getattr(self, name))

    def save(self, folder: Path) -> None:
        """Keep it in a folder; that from which it was loaded is on the same disk."""
        for name in ADDED:
            self.put_down(folder, name)
        _write([("large", self.large)], folder / "large")
        for name in SMALL:
            np.save(folder / f"{name}.npy", getattr(self, name))
        for name in (*GROWING, *CHANGING):
            file, values = folder / f"{name}.npy", getattr(self, name)
            if kept := self.files.get(name):
                if kept[0] != file:
                    os.link(kept[0], file)
                self.became[name] = [_save_changes(file, values, self.became.get(name, []))]
            else:
                _save(file, values)
            self.files[name] = [file]

    def settle(self, pool: Executor, order: Ints) -> None:
        """Put the pairs, all of which are there, in an order; from now on changes are counted."""
        for place, column in enumerate(PAIR):  # so that only one is there twice
            values = self.of_pairs(pool, column.name, order)
            self.pair = self.pair.set_column(place, column, pa.array(values, column.type))
        self.rule, self.decision = (
            taken_in(pool, values, values[:0], order) for values in (self.rule, self.decision)
        )
        self.base = {name: len(getattr(self, name)) for name in ADDED}

    @property
    def order(self) -> Order:
        """In what order records stand, those that are no more among them."""
        return Order(len(self.record) - len(self.added), self.added, self.before)

    def living(self) -> Ints:
        """The records that are, by source and identifier."""
        return self.order.living(self.group, len(self.record))

    def located(self, records: Sequence[Record], coming: int) -> Ints:
        """The rows of some records; none for one that isn't there.

        Args:
            coming: the first row of records that came and are in no group yet.
        """
        if not records:
            return np.zeros(0, np.int64)
        source, ids, found = self.record["source_id"], self.record["record_id"], []
        there = self.order.living(self.group, coming)

        def name(row: int) -> Record:
            return source[row].as_py(), ids[row].as_py()

        for record in records:
            at = bisect_left(there, record, key=lambda row: name(int(row)))
            if at < len(there) and name(int(there[at])) == record:
                found.append(there[at])
        return np.array(found, np.int64)

    def first(self, groups: Ints) -> Ints:
        """The first record of each of some groups, NONE where it has none."""
        found, starts = np.full(len(groups), NONE, np.int32), self.starts[groups]
        there = self.ends[groups] > starts
        found[there] = self.members[starts[there]]
        return found

    def records_of(self, groups: Ints) -> Ints:
        """The records of some groups."""
        starts, sizes = self.starts[groups], self.ends[groups] - self.starts[groups]
        return self.members[np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())]

    def list_anew(self, groups: Ints, joined: Moves, left: Moves) -> None:
        """Tell anew which records some groups have, after some left and others joined.

        Args:
            groups: in ascending order.
            joined, left: records of these groups alone, in any order.
        """
        self._add_lists(groups, self._lists(groups, joined, left))
        if len(self.members) > MOST_LISTED * len(self.record):  # most lists are of groups as they were
            there = np.flatnonzero(self.ends > self.starts)
            none = Moves(*np.zeros((2, 0), np.int32))
            lists = self._lists(there, none, none)
            for name in ("members", "sources"):
                setattr(self, name, np.zeros(0, np.int32))
                self.files.pop(name, None)
            self._add_lists(there, lists)

    def _lists(self, groups: Ints, joined: Moves, left: Moves) -> Lists:
        before, order = Lists(self.starts, self.ends, self.members, self.sources), self.order
        stand = order.base, order.keys()
        joined, left = (moves.in_order(*stand) for moves in (joined, left))
        source = at(coding(self.record["source_id"]), joined.rows)
        return group_records.changed(groups, before, joined, source, left, *stand)

    def _add_lists(self, groups: Ints, lists: Lists) -> None:
        begin = len(self.members)
        self.put("starts", groups, begin + lists.starts)
        self.put("ends", groups, begin + lists.ends)
        self.members, self.sources = longer(self.members, lists.members), longer(self.sources, lists.sources)

    def sides(self) -> list[Piece]:
        """left and right of all pairs, as they lie."""
        pieces = self.pair.select(["left", "right"]).to_batches()
        starts = np.cumsum([0, *map(len, pieces)]).tolist()
        return [
            (start, *(batch[side].to_numpy() for side in ("left", "right")))
            for start, batch in zip(starts, pieces, strict=False)
        ]

    def of_pairs(self, pool: Executor, name: str, pairs: Ints) -> npt.NDArray:
        """A column of many pairs, in any order; none is copied as a whole but what was added since it was kept."""
        values = [chunk for chunk in self.pair[name].chunks if len(chunk)]
        kept, added = (whole(pa.chunked_array(some, PAIR.field(name).type)) for some in (values[:1], values[1:]))
        return taken_in(pool, kept, added.astype(kept.dtype), pairs)

    def numbered(self) -> Table:
        """`candidates.groups`."""
        groups = pa.array(np.arange(len(self.described), dtype=np.int32))
        described = self.described.append_column("group", groups)
        # each thread takes a batch
        return ibis.memtable(pa.Table.from_batches(described.to_batches(AT_ONCE), described.schema))

    def worn(self) -> bool:
        """Whether so much was added since all was matched that this should be done again."""
        return any(
            len(getattr(self, name)) - base > max(MOST_ADDED, SHARE_ADDED * base)
            for name, base in self.base.items()
        )


def load(folder: Path) -> Known | None:
    """What was kept in a folder, in memory only as far as it is read; none if there is nothing."""
    if not (folder / "large").exists():
        return None
    files = {name: sorted(folder.glob(f"{name}-*")) for name in ADDED}
    tables = {name: [_read(file) for file in parts] for name, parts in files.items()}
    arrays = {name: _load(folder / f"{name}.npy", changing=name in CHANGING) for name in (*GROWING, *CHANGING)}
    return Known(
        **{name: pa.concat_tables(parts) for name, parts in tables.items()},
        **{name: np.load(folder / f"{name}.npy") for name in SMALL},
        **{name: values for name, (values, _) in arrays.items()},
        large=_read(folder / "large"),
        files=files | {name: [folder / f"{name}.npy"] for name in arrays},
        rows={name: sum(map(len, parts)) for name, parts in tables.items()},
        base={name: len(parts[0]) for name, parts in tables.items()},
        became={name: [rows] for name, (_, rows) in arrays.items()},
    )


def _each(columns: Columns) -> Iterator[tuple[str, pa.Table]]:
    """Each column as a table, so that one at a time is copied."""
    return ((name, pa.table({name: column})) for name, column in columns)


def _write(tables: Iterable[tuple[str, pa.Table]], folder: Path) -> None:
    """Write tables, which together are one, each in one piece to a file."""
    folder.mkdir(parents=True)
    for nth, (name, table) in enumerate(tables):
        table = table.unify_dictionaries().combine_chunks()
        file = str(folder / f"{nth:02}-{name}.arrow")
        with pa.OSFile(file, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)


# --- arrays --------------------------------------------------------------------------------------------


def _room(size: int) -> int:
    """For how many values there is room where so many were kept."""
    return 2 * size + MOST_ADDED


def _save(file: Path, values: npt.NDArray) -> None:
    """Write an array, with room behind it that takes none of the disk."""
    np.save(file, values)
    os.truncate(file, file.stat().st_size + (_room(len(values)) - len(values)) * values.itemsize)


def _changes(file: Path) -> Path:
    """Where is written what became of an array since it was written whole: rows, their values, and more values."""
    return file.with_suffix(".changes.npy")


def _save_changes(file: Path, values: npt.NDArray, became: list[Ints]) -> Ints:
    """Write what became of an array since it was written whole; the rows that have another value.

    Args:
        became: the rows that may have one, among others.
    """
    kept = _mapped(file)
    size = len(kept)
    others = [some[lookup_kernel.differ(values, kept, some)] for some in became]  # of many rows few are others
    rows = lookup_kernel.each_once(np.concatenate([np.zeros(0, np.int32), *others])).astype(np.int32)
    with _changes(file).open("wb") as sink:
        for some in (rows, values[rows], values[size:]):
            np.save(sink, some)
    return rows


def _mapped(file: Path, changing: bool = False) -> npt.NDArray:
    """An array as `_save` wrote it, in a copy of the process' own, with the room behind it.

    Args:
        changing: whether it is read into memory at once.  Where many of its pages are written to, copying them
            one by one takes longer; else it is in memory only as far as it is asked for.
    """
    with file.open("rb") as source:
        np.lib.format.read_magic(source)
        (size,), _, kind = np.lib.format.read_array_header_1_0(source)
        begin, room = source.tell(), _room(size) * kind.itemsize
        if file.stat().st_size < begin + room:
            raise ValueError(f"{file} is cut short: remove its folder, and all will be matched anew")
        if not changing:
            held = mmap.mmap(source.fileno(), begin + room, access=mmap.ACCESS_COPY)
            return np.frombuffer(held, kind, offset=begin)[:size]
        held = mmap.mmap(-1, room, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError, AttributeError):  # large pages are Linux's alone; there they save half the time
            held.madvise(mmap.MADV_HUGEPAGE)
        source.readinto(memoryview(held)[: size * kind.itemsize])
    return np.frombuffer(held, kind)[:size]


def _load(file: Path, changing: bool) -> tuple[npt.NDArray, Ints]:
    """An array that was kept, and the rows that became something else since it was kept whole."""
    values, rows = _mapped(file, changing), np.zeros(0, np.int32)
    if _changes(file).exists():
        with _changes(file).open("rb") as source:
            rows, others, more = (np.load(source) for _ in range(3))
        values[rows] = others
        values = longer(values, more)
    return values, rows


def longer(values: npt.NDArray, added: npt.NDArray) -> npt.NDArray:
    """Values and more behind them, where an array that was loaded has room for them; else all are copied."""
    room, size = values.base, len(values) + len(added)
    if not isinstance(room, np.ndarray) or not isinstance(room.base, memoryview) or len(room) < size:
        return np.append(values, added).astype(values.dtype)
    room[len(values) : size] = added
    return room[:size]


def _read(folder: Path) -> pa.Table:
    parts = [pa.ipc.open_file(pa.memory_map(str(file))).read_all() for file in sorted(folder.iterdir())]
    return pa.table({name: part[name] for part in parts for name in part.column_names})


def extended(column: pa.ChunkedArray, more: pa.ChunkedArray) -> pa.DictionaryArray:
    """More values as codes of a dictionary in which those of a column of `Known.record` keep theirs."""
    known, given = values(column), pc.unique(more)
    fresh = given.filter(pc.invert(pc.is_in(given, known)))
    dictionary = pa.concat_arrays([known, fresh.cast(known.type)])
    return pa.DictionaryArray.from_arrays(pc.index_in(more, dictionary).combine_chunks(), dictionary)

"""What is compared, column by column, and pairs of it."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.columns import taken
from transforms.likeness_kernel import titles
from transforms.lookup_kernel import picked
from transforms.same_texts import NONE, Codes, Met, Texts, met, texts

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer]
_MISSING = np.iinfo(np.int32).min


class Described:
    """What pairs are made of, column by column, each made ready for comparison when it is first asked for."""

    def __init__(self, columns: Mapping[str, pa.Array | pa.ChunkedArray], rows: Ints | None = None):
        """The columns, and which of their rows are described, in ascending order; all if nothing is said."""
        self.names = frozenset(columns)
        self._given = dict(columns)
        self._rows = rows
        self._ready: dict[tuple[str, str], Any] = {}
        self._making: dict[tuple[str, str], Lock] = {}

    def _once(self, kind: str, name: str, make: Callable[[], Any]) -> Any:
        with self._making.setdefault((kind, name), Lock()):
            if (kind, name) not in self._ready:
                self._ready[kind, name] = make()
        return self._ready[kind, name]

    def column(self, name: str) -> pa.Array:
        """A column in one piece; what was given for it is let go."""
        made: pa.Array = self._once("column", name, lambda: _whole(self._given.pop(name), self._rows))
        return made

    def texts(self, name: str) -> Texts:
        """A column of texts."""
        made: Texts = self._once("texts", name, lambda: texts(self.column(name)))
        return made

    def numbers(self, name: str) -> npt.NDArray[np.int32]:
        """A column of whole numbers or flags, the least of all numbers where null."""
        made: npt.NDArray[np.int32] = self._once(
            "numbers", name, lambda: pc.fill_null(self.column(name).cast(pa.int32()), _MISSING).to_numpy()
        )
        return made

    def matching(self, name: str, pattern: str) -> Flags:
        """Where a text has something of a regular expression; behind the last row, for null, nothing has."""
        codes = self.texts(name).codes

        def make() -> Flags:
            rows = np.flatnonzero(codes == np.arange(len(codes)))
            flags = np.zeros(len(codes) + 1, bool)
            some = self.column(name).take(pa.array(rows))
            flags[rows] = pc.match_substring_regex(some, pattern).to_numpy(zero_copy_only=False)
            return flags

        made: Flags = self._once(pattern, name, make)
        return made


def _whole(column: pa.Array | pa.ChunkedArray, rows: Ints | None) -> pa.Array:
    """Some rows of a column, in one piece; Arrow would copy also what is."""
    if rows is not None:
        column = taken(pa.table({"": column}), rows)[""]
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class Pairs:
    """Pairs of what is described, by its rows; what is asked of them more than once is made once."""

    def __init__(self, described: Described, left: Ints, right: Ints):
        self.described = described
        self.ends = left, right
        self._met: dict[str, Met] = {}
        self._made: dict[tuple[str, str], Any] = {}  # an array or a tuple of them, with a value for each pair
        self._of: tuple[Pairs, Ints] | None = None  # those of which these are some

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "Pairs":
        """A batch of `transforms.candidates.compared`, where each row has both sides."""
        names = [name.removeprefix("left_") for name in batch.schema.names if name.startswith("left_")]
        sides = ([batch.column(f"{side}_{name}") for side in ("left", "right")] for name in names)
        columns = dict(zip(names, map(pa.concat_arrays, sides), strict=True))
        left = np.arange(batch.num_rows)
        return cls(Described(columns), left, batch.num_rows + left)

    def __len__(self) -> int:
        return len(self.ends[0])

    def some(self, which: Flags | Ints) -> "Pairs":
        """Some of the pairs; what was made of all is not made again."""
        rows = np.arange(len(self))[which]  # flags may be changed later
        left, right = self.ends
        some = Pairs(self.described, left[rows], right[rows])
        some._of = self, rows
        return some

    def _had(self, key: tuple[str, str]) -> Any:
        """What was made, of these pairs or of those of which they are some; None if nothing was."""
        if key not in self._made and self._of:
            pairs, which = self._of
            made = pairs._had(key)
            if isinstance(made, tuple):
                self._made[key] = tuple(values[which] for values in made)
            elif made is not None:
                self._made[key] = made[which]
        return self._made.get(key)

    def once(self, kind: str, name: str, make: Callable[[], Any]) -> Any:
        """What a function makes of the pairs: an array, or a tuple of them, with a value for each."""
        made = self._had((kind, name))
        if made is None:
            made = self._made[kind, name] = make()
        return made

    def values(self, name: str) -> tuple[pa.Array, pa.Array]:
        """Both sides of a column of texts as they are."""
        left, right = (self.described.column(name).take(pa.array(at)).cast(pa.string()) for at in self.ends)
        return left, right

    def codes(self, name: str) -> tuple[Codes, Codes]:
        """Both sides of a column of texts, as numbers: the same for the same text, NONE for null."""

        def make() -> tuple[Codes, ...]:
            return tuple(picked(self.described.texts(name).codes, at) for at in self.ends)

        made: tuple[Codes, Codes] = self.once("codes", name, make)
        return made

    def met(self, name: str) -> Met:
        """The texts of a column that meet."""
        if name not in self._met:
            self._met[name] = met(self.described.texts(name), *self.codes(name))
        return self._met[name]

    def numbers(self, name: str) -> tuple[Floats, Floats]:
        """Both sides as numbers, NaN where null."""

        def make() -> tuple[Floats, ...]:
            found = [picked(self.described.numbers(name), at) for at in self.ends]
            return tuple(np.where(side == _MISSING, np.nan, side) for side in found)

        made: tuple[Floats, Floats] = self.once("numbers", name, make)
        return made

    def matching(self, name: str, pattern: str) -> tuple[Flags, Flags]:
        """Which of both sides have something of a regular expression."""
        left, right = (picked(self.described.matching(name, pattern), code) for code in self.codes(name))
        return left, right

    def known(self, name: str) -> tuple[Flags, Flags]:
        """Which of both sides have a value."""
        left, right = (code != NONE for code in self.codes(name))
        return left, right

    def equal(self, name: str) -> Flags:
        """Where both sides have the same value."""
        left, right = self.codes(name)
        return (left == right) & (left != NONE)

    def differ(self, name: str) -> Flags:
        """Where both sides have a value and not the same."""
        left, right = self.codes(name)
        return (left != right) & (left != NONE) & (right != NONE)

    def same(self, name: str) -> Floats:
        """1 where both sides have the same value, 0 where they have another; NaN where one is null."""
        left, right = self.codes(name)
        return np.where((left == NONE) | (right == NONE), np.nan, left == right)

    def gap(self, name: str) -> Floats:
        """How far apart two numbers are, NaN where one is null."""

        def make() -> Floats:
            left, right = self.numbers(name)
            return np.abs(left - right)

        made: Floats = self.once("gap", name, make)
        return made

    def titles(self) -> tuple[Floats, Floats, Floats]:
        """`likeness_kernel.titles` of the full titles."""
        made: tuple[Floats, Floats, Floats] = self.once(
            "titles", "", lambda: tuple(titles(self.met("full_title_key")))
        )
        return made

"""What is compared, column by column, and pairs of it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.likeness_kernel import Side, Texts, same, texts, titles

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Described:
    """What pairs are made of, column by column, each made ready for comparison when it is first asked for."""

    def __init__(self, columns: dict[str, pa.Array]):
        self.columns = columns
        self._ready: dict[tuple[str, str], Any] = {}

    @classmethod
    def of(cls, columns: dict[str, pa.ChunkedArray]) -> "Described":
        """Columns in one piece each, taken out of what is given, so that only one at a time is there twice."""
        return cls({name: columns.pop(name).combine_chunks() for name in list(columns)})

    def _once(self, kind: str, name: str, make: Callable[[pa.Array], Any]) -> Any:
        if (kind, name) not in self._ready:
            self._ready[kind, name] = make(self.columns[name])
        return self._ready[kind, name]

    def texts(self, name: str) -> Texts:
        """A column of texts."""
        made: Texts = self._once("texts", name, texts)
        return made

    def numbers(self, name: str) -> Floats:
        """A column of numbers, NaN where null."""
        made: Floats = self._once(
            "numbers", name, lambda values: values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        )
        return made

    def matching(self, name: str, pattern: str) -> Flags:
        """Where a text has something of a regular expression."""
        made: Flags = self._once(
            pattern,
            name,
            lambda values: pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy(
                zero_copy_only=False
            ),
        )
        return made


class Pairs:
    """Pairs of what is described: the places of the left and of the right one."""

    def __init__(self, left: Described, right: Described, left_at: Ints, right_at: Ints):
        self.ends = (left, left_at), (right, right_at)

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "Pairs":
        """A batch of `transforms.match.compared`, where each row has both sides."""
        at = np.arange(batch.num_rows)
        left, right = (
            Described(
                {
                    name.removeprefix(side): batch.column(name)
                    for name in batch.schema.names
                    if name.startswith(side)
                }
            )
            for side in ("left_", "right_")
        )
        return cls(left, right, at, at)

    def __len__(self) -> int:
        return len(self.ends[0][1])

    def some(self, which: Flags) -> "Pairs":
        """Some of the pairs."""
        (left, left_at), (right, right_at) = self.ends
        return Pairs(left, right, left_at[which], right_at[which])

    def texts(self, name: str) -> tuple[Side, Side]:
        """Both sides of a column of texts."""
        left, right = (Side(described.texts(name), at) for described, at in self.ends)
        return left, right

    def numbers(self, name: str) -> tuple[Floats, Floats]:
        """Both sides as numbers, NaN where null."""
        left, right = (described.numbers(name)[at] for described, at in self.ends)
        return left, right

    def matching(self, name: str, pattern: str) -> tuple[Flags, Flags]:
        """Which of both sides have something of a regular expression."""
        left, right = (described.matching(name, pattern)[at] for described, at in self.ends)
        return left, right

    def known(self, name: str) -> tuple[Flags, Flags]:
        """Which of both sides have a value."""
        left, right = (side.texts.known[side.at] for side in self.texts(name))
        return left, right

    def equal(self, name: str) -> Flags:
        """Where both sides have the same value."""
        return same(*self.texts(name)) == 1

    def differ(self, name: str) -> Flags:
        """Where both sides have a value and not the same."""
        return same(*self.texts(name)) == 0

    @cached_property
    def titles(self) -> list[Floats]:
        """`likeness_kernel.titles` of the full titles."""
        return titles(*self.texts("full_title_key"))

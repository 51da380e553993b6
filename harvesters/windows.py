"""Windows of a search: parts of what a query finds, by dates or numbers, small enough for a server to give whole.

A window is what lies above `low` and not above `high`; "" is no bound.  Two halves of a window share a bound that
belongs to one of them only, so under any order of the server's own they part the window without a rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

EARLIEST = date(1970, 1, 1)  # library systems keep no older dates of change


@dataclass(frozen=True)
class Window:
    """What lies above `low` and not above `high`, as the index writes them."""

    low: str = ""
    high: str = ""

    def __str__(self) -> str:
        bounds = [f"above {self.low}" if self.low else "", f"up to {self.high}" if self.high else ""]
        return " ".join(bound for bound in bounds if bound) or "everything"


@dataclass(frozen=True)
class Axis:
    """The index that windows are of; without one there is only the window of everything."""

    index: str = ""
    dates: bool = True
    date_format: str = "%Y-%m-%d"
    lowest: int = 0
    highest: int = 2**32 - 1

    @classmethod
    def of(cls, quirks: Mapping[str, str], date_format: str) -> "Axis":
        """The axis that a source's quirks name."""
        if "date_index" in quirks:
            return cls(quirks["date_index"], date_format=quirks.get("date_format", date_format))
        low, _, high = quirks.get("id_range", f"{cls.lowest}-{cls.highest}").partition("-")
        return cls(quirks.get("id_index", ""), dates=False, lowest=int(low), highest=int(high))

    def since(self, day: date) -> Window:
        """What changed on a day or later."""
        return Window(low=(day - timedelta(days=1)).strftime(self.date_format))

    def halves(self, window: Window, today: date) -> tuple[Window, Window] | None:
        """The window in two parts of about the same width; None where it is one day or number, or has no axis."""
        if not self.index:
            return None
        low, high = self._number(window.low, today, 0), self._number(window.high, today, 1)
        if high - low < 2:
            return None
        middle = self._text((low + high) // 2)
        return Window(window.low, middle), Window(middle, window.high)

    def _number(self, bound: str, today: date, end: int) -> int:
        if not self.dates:
            return int(bound) if bound else (self.lowest - 1, self.highest)[end]
        if bound:
            return datetime.strptime(bound, self.date_format).toordinal()
        return (EARLIEST.toordinal(), today.toordinal() + 1)[end]

    def _text(self, number: int) -> str:
        return date.fromordinal(number).strftime(self.date_format) if self.dates else str(number)

"""What may be wrong with a row of usage: how it is said, and which rule of `quality/rules/reader.csv` it breaks.

From the door on a fault is text: in the streams that land, in SQL, in `staged.rejected`.  So each is a value here,
which says it and knows it again; what is none of these is a value that can't be read.
"""

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Fault:
    """A fault: the rule that it breaks, and its words with `{}` where a value stands."""

    rule: str
    words: str

    def of(self, *values: object) -> str:
        """The fault with its values."""
        return self.words.format(*values)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What it looks like with values."""
        return re.compile(re.escape(self.words).replace(r"\{\}", ".+?"))


PERSONAL = Fault("usage-personal", "{} holds a telephone number, an identity number or an e-mail address")
CELLS = Fault("usage-cells", "{} cells where the header has {}")
TAKES_IN = Fault("usage-cells", "a cell takes in other rows, so a quotation mark may be open")
CUT = Fault(
    "usage-cut-number",
    "{} is not whole: a spreadsheet cut its digits; make the column text and export again (its form: {})",
)
EMPTY = Fault("usage-empty", "{} is empty")
VALUE = "usage-value"


def rule_of(said: str) -> str:
    """The rule that a row breaks, by what is said of it, which may be several things: the gravest counts."""
    for fault in (PERSONAL, CELLS, TAKES_IN, CUT):
        if fault.pattern.search(said):
            return fault.rule
    return EMPTY.rule if EMPTY.pattern.fullmatch(said) else VALUE

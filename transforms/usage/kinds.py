"""Which staged tables a kind of usage file fills, by which SQL, and what names a row in them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schemas.columns import Table
from schemas.usage import STAGED_EUSAGE, STAGED_FACTS
from schemas.usage_columns import STAGED_USAGE

EVENTS = Path(__file__).parent / "events"


@dataclass(frozen=True)
class Filled:
    """One staged table: `events/<name>.sql` makes its rows, `identity` are the columns that name an event.

    `of_events`: it is made from the rows of the kind's first table, and its rows are not counted.
    """

    name: str
    identity: tuple[str, ...]
    of_events: bool = False

    @property
    def table(self) -> Table:
        """The contract."""
        return STAGED_FACTS[self.name]

    @cached_property
    def sql(self) -> str:
        """The query of its rows."""
        return (EVENTS / f"{self.name}.sql").read_text("utf-8")


_TOLD = ("count", "partial")  # what a report says of an event
_EUSAGE = tuple(column.name for column in STAGED_EUSAGE.columns[len(STAGED_USAGE) :] if column.name not in _TOLD)
_TITLE = tuple(
    """package title_id title isbn online_isbn issn online_issn first_date volume edition carrier control_number
    notes""".split()
)
KINDS: dict[str, tuple[Filled, ...]] = {
    "loans": (Filled("loan", ("event_id",)),),
    "items": (Filled("item_month", ("month", "barcode")),),
    "population": (Filled("population", ("tenant", "month", "reader_type", "department")),),
    "ill": (
        Filled("request", ("role", "request_id")),
        Filled("attempt", ("role", "request_id", "attempt_no"), of_events=True),
    ),
    "iso18626": (
        Filled("ill_message", ("message", "request_id", "requester", "supplier", "sent_at", "status", "reason")),
    ),
    "ppv": (Filled("ppv", ("order_id",)),),
    "ebook_loans": (Filled("ebook_loan", ("loan_id",)),),
    "counter": (Filled("eusage", _EUSAGE),),
    "kbart": (Filled("title_list", _TITLE),),
    "rental": (Filled("system_usage", ("tenant", "system", "month")),),
    "costs": (Filled("cost", ("tenant", "year", "platform", "package", "currency")),),
}
# What files of a source's format may hold.
OF_FORMAT = {name: (name,) for name in KINDS if name != "iso18626"} | {"ill": ("ill", "iso18626")}

"""What is wanted of a source: what is new, everything, or a window of dates that a person names."""

import re
from dataclasses import dataclass
from datetime import datetime

_FORMS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Wanted:
    """What one harvest asks for; nothing said means what is new since the last complete one.

    A window (`since`, `until`; UTC, both inclusive, `2026-01-31` or `2026-01-31T08:00:00Z`) fetches again what
    changed within it.  It moves nothing on: the next harvest goes on from where the last ordinary one ended.

    Raises:
        ValueError: a date is none, the window is empty, or it stands beside `full`.
    """

    full: bool = False  # everything; the batch replaces all that the source sent before
    since: str = ""
    until: str = ""
    reconcile: bool = False  # compare all identifiers, where the protocol can

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            if getattr(self, name):
                _date(name, getattr(self, name))
        if self.since and self.until and self.since[:10] > self.until[:10]:
            raise ValueError(f"since {self.since} is after until {self.until}")
        if self.full and self.windowed:
            raise ValueError("everything (full) and a window (since, until) exclude each other")

    @property
    def windowed(self) -> bool:
        """Whether a window is named."""
        return bool(self.since or self.until)

    def bound(self, name: str, granularity: str) -> str:
        """`since` or `until` as a source of this granularity (day, second) takes it; "" where it is not named."""
        text = str(getattr(self, name))
        if not text or granularity == "day":
            return text[:10]
        return text if "T" in text else text + ("T00:00:00Z" if name == "since" else "T23:59:59Z")


def _date(name: str, text: str) -> datetime:
    for form in _FORMS:
        try:
            if re.fullmatch(r"[\d\-]{10}(T[\d:]{8}Z)?", text):
                return datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(f"{name} {text!r} is no date; write 2026-01-31 or 2026-01-31T08:00:00Z (UTC)")

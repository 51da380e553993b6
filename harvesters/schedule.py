"""When sources are due: a schedule is a cron expression, or @hourly, @daily, @weekly, @monthly, @never."""

from datetime import datetime, timedelta

from croniter import croniter

from harvesters.registry import Source
from warehouse import lake
from warehouse.outcome import recorded

NEVER = "@never"
SHORTEST = timedelta(hours=1)  # of the tolerance


def is_due(source: Source, now: datetime | None = None) -> bool:
    """Whether a time of the source's schedule lies between its last harvest and now."""
    if source.schedule == NEVER:
        return False
    attempts = [o for o in recorded("harvest", source.source_id) if o.asked_for is None]
    if not attempts:
        return True
    now = now or lake.now()
    due = next_due(source, max(attempt.started_at for attempt in attempts), now)
    return due is not None and due <= now


def next_due(source: Source, last: datetime | None, now: datetime) -> datetime | None:
    """The first time of the schedule after the last attempt; now, where there was none; None for @never."""
    if source.schedule == NEVER:
        return None
    return _after(source, last) if last else now


def late_from(source: Source, since: datetime | None) -> datetime | None:
    """When a source becomes late that had its last complete harvest, or else its first attempt, at `since`.

    That is the time it was due, and a tolerance: half of the interval until it is due again, at least an hour, or
    the hours that its quirk `tolerance_hours` gives.  None for @never, and before the first attempt.
    """
    if source.schedule == NEVER or since is None:
        return None
    due = _after(source, since)
    try:
        tolerance = timedelta(hours=float(source.quirks["tolerance_hours"]))
    except (KeyError, ValueError):
        tolerance = max((_after(source, due) - due) / 2, SHORTEST)
    return due + tolerance


def _after(source: Source, at: datetime) -> datetime:
    return croniter(source.schedule, at).get_next(datetime)

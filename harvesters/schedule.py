"""Which sources are due: a schedule is a cron expression, or @hourly, @daily, @weekly, @monthly, @never."""

from datetime import datetime

from croniter import croniter

from harvesters.registry import Source
from warehouse import lake
from warehouse.outcome import recorded

NEVER = "@never"


def is_due(source: Source, now: datetime | None = None) -> bool:
    """Whether a time of the source's schedule lies between its last harvest and now."""
    if source.schedule == NEVER:
        return False
    attempts = recorded("harvest", source.source_id)
    if not attempts:
        return True
    last = max(attempt.started_at for attempt in attempts)
    return bool(croniter(source.schedule, last).get_next(datetime) <= (now or lake.now()))

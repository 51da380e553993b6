"""Circulation logs that agree with the items of a library."""

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sample.libraries import write_csv

COLUMNS = ["event_id", "event_type", "event_time", "barcode", "reader_type"]
READERS = ("本科生", "本科生", "本科生", "研究生", "研究生", "教师")
BEGIN = datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
DAYS = 731  # two years, 2024 and 2025
LOANS_PER_ITEM = 0.8
BAD_TIMES = 2


def write(folder: Path, member: str, barcodes: list[str], rng: random.Random) -> dict[str, int]:
    """Write one CSV file a year; returns how many events there are and how many have an impossible time.

    Few items are borrowed often and most never, as in real libraries.
    """
    folder.mkdir(parents=True)
    if not barcodes:
        return {"written": 0, "damaged": 0}
    order = list(barcodes)
    rng.shuffle(order)
    events: list[tuple[datetime, str, str, str]] = []
    for _ in range(int(len(order) * LOANS_PER_ITEM)):
        barcode = order[int(len(order) * rng.random() ** 3)]
        events += _loan(barcode, rng)
    end = BEGIN + timedelta(days=DAYS)
    events = sorted(event for event in events if event[0] < end)
    rows = [
        dict(zip(COLUMNS, (f"{member}-{no:07d}", kind, at.isoformat(), barcode, reader), strict=True))
        for no, (at, kind, barcode, reader) in enumerate(events, 1)
    ]
    bad = rng.sample(range(len(rows)), min(BAD_TIMES, len(rows) // 10))
    for at in bad:
        rows[at]["event_time"] = rows[at]["event_time"].replace("-", "-99", 1)
    for year in sorted({event[0].year for event in events}):
        of_year = [row for row, event in zip(rows, events, strict=True) if event[0].year == year]
        write_csv(folder / f"loans-{year}.csv", COLUMNS, of_year)
    return {"written": len(rows), "damaged": len(bad)}


def _loan(barcode: str, rng: random.Random) -> list[tuple[datetime, str, str, str]]:
    """A loan with its renewals and, mostly, its return."""
    at = BEGIN + timedelta(days=rng.randrange(DAYS), minutes=rng.randrange(13 * 60))
    reader = rng.choice(READERS)
    events = [(at, "loan", barcode, reader)]
    while rng.random() < 0.15:
        at += timedelta(days=rng.randrange(20, 31))
        events.append((at, "renew", barcode, reader))
    if rng.random() < 0.97:
        back = at + timedelta(days=rng.randrange(1, 41), minutes=rng.randrange(60))
        events.append((back, "return", barcode, reader))
    return events

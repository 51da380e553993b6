"""Circulation logs and item snapshots that agree with the items of a library."""

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

COLUMNS = ["event_id", "event_type", "event_time", "barcode", "reader_type", "reader"]
READERS = ("本科生", "本科生", "本科生", "研究生", "研究生", "教师")
BEGIN = datetime(2024, 1, 1, 8)  # by the library's clock
DAYS = 731  # two years, 2024 and 2025
SNAPSHOTS = (date(2024, 1, 1), date(2024, 12, 1), date(2025, 12, 1))
LOANS_PER_ITEM = 0.8
BAD_TIMES = 2
ORPHANS = 0.004  # loans whose barcode no record has
RETURNS_ONLY = 0.003  # returns of what was lent before the log begins
INHOUSE = 0.06  # items that are read in the library
TRIES = 5  # items that a reader looks for, where others have them
# how busy a month is: two terms, and the holidays between them
RHYTHM = (0.6, 0.3, 1.3, 1.2, 1.1, 1.0, 0.4, 0.3, 1.6, 1.4, 1.2, 1.0)


@dataclass(frozen=True)
class Writing:
    """How a library's system writes its log: header, names of events, and form."""

    header: tuple[str, ...]
    names: dict[str, str]
    suffix: str = ".csv"
    delimiter: str = ","
    charset: str = "utf-8"


_ENGLISH = Writing(tuple(COLUMNS), {})
_CHINESE = {"loan": "借出", "renew": "续借", "return": "还书", "hold": "预约", "inhouse": "阅览", "lost": "丢失"}
_HEADER = ("流水号", "操作类型", "操作时间", "条码号", "读者类型", "读者证号")
WRITINGS = {
    "D31001": Writing(_HEADER, _CHINESE, charset="gb18030"),
    "D32001": Writing(_HEADER, _CHINESE, suffix=".tsv", delimiter="\t", charset="utf-8-sig"),
}
Event = tuple[datetime, str, str, str, str]


def acquired(barcode: str) -> date:
    """The day on which an item came into the stock; one in ten came within the two years of the log."""
    rng = random.Random(barcode)
    if rng.random() < 0.1:
        return date(2024, 1, 15) + timedelta(days=rng.randrange(660))
    return date(2005, 1, 1) + timedelta(days=rng.randrange(6900))


def loanable(barcode: str) -> bool:
    """Whether an item may be lent: eleven in twelve may."""
    return int.from_bytes(barcode.encode()) % 12 != 0


def write(folder: Path, member: str, barcodes: list[str], rng: random.Random) -> dict[str, int]:
    """Write one file a year; returns how many events there are and how many have an impossible time.

    Few items are borrowed often and most never, as in real libraries; none while it is out, and only those that
    may be lent.  A few events have a barcode that no record has, and a few returns belong to loans from before
    the log.
    """
    folder.mkdir(parents=True)
    if not barcodes:
        return {"written": 0, "damaged": 0}
    writing = WRITINGS.get(member, _ENGLISH)
    rows = [
        (f"{member}-{no:07d}", writing.names.get(kind, kind), at.isoformat(" "), barcode, reader_type, reader)
        for no, (at, kind, barcode, reader_type, reader) in enumerate(_events(member, barcodes, rng), 1)
    ]
    bad = set(rng.sample(range(len(rows)), min(BAD_TIMES, len(rows) // 10)))
    spoilt = [
        (*row[:2], row[2].replace("-", "-99", 1), *row[3:]) if no in bad else row for no, row in enumerate(rows)
    ]
    for year in ("2024", "2025"):
        write_rows(folder / f"loans-{year}", writing, (row for row in spoilt if row[2].startswith(year)))
    return {"written": len(rows), "damaged": len(bad)}


def write_rows(path: Path, writing: Writing, rows: Iterable[Iterable[str]]) -> None:
    """Write one file as the library's system does."""
    path = path.with_name(path.name + writing.suffix)
    with path.open("w", encoding=writing.charset, newline="") as out:
        writer = csv.writer(out, delimiter=writing.delimiter, lineterminator="\r\n" if writing.names else "\n")
        writer.writerow(writing.header)
        writer.writerows(rows)


def _events(member: str, barcodes: list[str], rng: random.Random) -> list[Event]:
    order = list(barcodes)
    rng.shuffle(order)
    readers = max(20, len(order) // 4)
    months = [(year, month) for year in (2024, 2025) for month in range(1, 13)]
    weights = [RHYTHM[month - 1] for _, month in months]
    events: list[Event] = []
    chosen = rng.choices(months, weights, k=int(len(order) * LOANS_PER_ITEM))
    moments = sorted(
        datetime(year, month, rng.randrange(1, 29), 8) + timedelta(minutes=rng.randrange(13 * 60))
        for year, month in chosen
    )
    back: dict[str, datetime] = {}  # when an item that was lent is there again
    for at in moments:
        drawn = (order[int(len(order) * rng.random() ** 3)] for _ in range(TRIES))
        barcode = next((code for code in drawn if back.get(code, at) <= at), "")
        number = int(readers * rng.random() ** 2)
        reader_type, reader = READERS[number % len(READERS)], f"{member[1:]}{number:06d}"
        if not barcode or acquired(barcode) > at.date():
            continue
        if rng.random() < ORPHANS:
            barcode = f"X{barcode}"
        elif not loanable(barcode) or rng.random() < INHOUSE:
            events.append((at, "inhouse", barcode, reader_type, reader))
            continue
        elif barcode not in back and rng.random() < RETURNS_ONLY:
            events.append((at, "return", barcode, reader_type, reader))
            back[barcode] = at
            continue
        lent = _loan(at, barcode, reader_type, reader, rng)
        back[barcode] = lent[-1][0] if lent[-1][1] == "return" else datetime.max
        events += lent
    end = BEGIN + timedelta(days=DAYS)
    return sorted(event for event in events if event[0] < end)


def _loan(at: datetime, barcode: str, reader_type: str, reader: str, rng: random.Random) -> list[Event]:
    """A loan with its renewals, a hold, and mostly, last, its return."""
    events = [(at, "loan", barcode, reader_type, reader)]
    while rng.random() < 0.15:
        at += timedelta(days=rng.randrange(20, 31))
        events.append((at, "renew", barcode, reader_type, reader))
    if rng.random() < 0.04:
        events.append((at + timedelta(hours=rng.randrange(1, 72)), "hold", barcode, reader_type, f"{reader}H"))
    end = rng.random()
    if end < 0.97:
        back = at + timedelta(days=rng.randrange(1, 41), minutes=rng.randrange(60))
        events.append((back, "return", barcode, reader_type, reader))
    elif end < 0.975:
        events.append((at + timedelta(days=60), "lost", barcode, reader_type, reader))
    return events


def write_items(folder: Path, barcodes: list[str]) -> dict[str, int]:
    """Write snapshots of the stock, one file a month: what had been acquired by its end."""
    folder.mkdir(parents=True)
    written = 0
    header = ("统计月份", "条码号", "是否可借", "入藏日期", "价格")
    for month in SNAPSHOTS:
        last = date(month.year, month.month, 28)
        rows = [
            (month.strftime("%Y-%m"), barcode, "是" if loanable(barcode) else "否",
             acquired(barcode).isoformat(), f"{15 + int.from_bytes(barcode.encode()) % 80}.00")
            for barcode in barcodes if acquired(barcode) <= last
        ]  # fmt: skip
        write_rows(folder / f"items-{month:%Y-%m}", Writing(header, _CHINESE, charset="gb18030"), rows)
        written += len(rows)
    return {"written": written, "damaged": 0}

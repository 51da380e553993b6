"""Harvesting what a query finds (SRU, Z39.50): window by window, page by page, held against what was announced.

The whole query is counted first.  A window whose result is larger than the server lets us reach is halved, and
the halves must add up.  A result that changes in size while it is read is read again.  The harvest is complete
when as many records came as the whole query found; else it is partial and says what is missing.

Each landed page keeps which windows are still due, so a harvest that was killed goes on there.
"""

import logging
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from harvesters import landing
from harvesters.landing import Harvested, HarvestError, Landing
from harvesters.registry import Source
from harvesters.wanted import Wanted
from harvesters.windows import Axis, Window
from warehouse import lake
from warehouse.progress import Progress

log = logging.getLogger(__name__)

OVERLAP = timedelta(days=1)  # dates of change have no zone
READ_AGAIN = 3  # how often a window whose size changed is read again


class OutOfReachError(HarvestError):
    """The server lets nobody go so far into this result."""


@dataclass
class Page:
    """Some records of a result: `size` is that of the whole result, `position` counts from 1."""

    size: int
    content: bytes
    records: int
    following: int = 0  # the position that the server says follows; 0 if it says nothing
    first: int = 0  # the position that the first record says it has; 0 if it says nothing
    faults: list[str] = field(default_factory=list)  # records that came as diagnostics

    identity: str = ""  # what tells its records from those of other pages; "" if nothing has to


class Server(Protocol):
    """What a protocol must do.  Both raise `HarvestError`, and `OutOfReachError` where that is the reason."""

    address: str  # fit to be shown
    suffix: str  # of landed files

    def count(self, window: Window) -> int:
        """How many records the query finds in a window."""

    def page(self, window: Window, position: int, most: int) -> Page:
        """Records of a window from a position on."""

    def request(self, window: Window, position: int) -> str:
        """A request as the manifest shows it."""


@dataclass
class _State:
    """Where a harvest stands; kept as JSON with each page."""

    due: list[Window]  # windows that are not begun, the next one last
    announced: int  # records that the whole query found
    window: Window | None = None  # the one being read, its size, and where to go on
    size: int = 0
    position: int = 1
    here: int = 0  # records of the window being read that came
    came: int = 0  # records that came in all
    most: int = 0  # the largest result that is asked for at once; 0 if there is no limit known
    notes: list[str] = field(default_factory=list)  # what is missing, and why

    def kept(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "_State":
        window = Window(**kept["window"]) if kept["window"] else None
        return cls(**kept | {"window": window, "due": [Window(**one) for one in kept["due"]]})


def harvest(
    source: Source, batch_id: str, wanted: Wanted, server: Server, axis: Axis, asked: dict[str, Any]
) -> Harvested:
    """Land what a query finds as one batch: what changed since the last harvest, or everything.

    Args:
        source: the source.
        batch_id: the batch to make.
        wanted: what is wanted.
        server: who is asked.
        axis: what windows are of.
        asked: what makes two harvests the same; kept with the batch.

    Raises:
        HarvestError: it could not be read to its end; what has landed waits for the next harvest.
    """
    if wanted.windowed and not (axis.index and axis.dates):
        return Harvested("unchanged", 0, f"{server.address}: no date_index in quirks, so no dates to ask for")
    plan = _plan(source, wanted, axis, asked)
    kept = landing.take_up(source.source_id, batch_id, lambda old: _same(old, plan, wanted), lambda old: False)
    if kept and kept[1]:
        landed, state = kept[0], _State.of(kept[1][-1])
        log.info("source %s: goes on after %d records", source.source_id, landed.received)
    else:
        landing.discard_in_progress(source.source_id)
        landed = Landing(source.source_id, batch_id)
        landed.begin(plan)
        state = None
    reading = _Reading(source, server, axis, landed)
    try:
        with Progress(f"harvest {source.source_id}", "records") as progress:
            state = reading.all(state, progress)
    except HarvestError as error:
        raise _broken_off(error, landed) from error
    return _finish(source, server, landed, state, wanted)


def _same(old: dict[str, Any], plan: dict[str, Any], wanted: Wanted) -> bool:
    return all(old.get(name) == plan[name] for name in ("asked", "window")) and not (wanted.full and old["since"])


def _plan(source: Source, wanted: Wanted, axis: Axis, asked: dict[str, Any]) -> dict[str, Any]:
    """What to ask for; JSON, kept with the batch."""
    now = datetime.now(UTC)
    plan = {
        "asked": asked,
        "started": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window": [wanted.since, wanted.until] if wanted.windowed else [],
        "since": "",
        "low": "",
        "high": "",
    }
    if wanted.windowed:
        low = axis.since(datetime.fromisoformat(wanted.since[:10]).date()).low if wanted.since else ""
        until = datetime.fromisoformat(wanted.until[:10]) if wanted.until else None
        return plan | {"low": low, "high": (until + OVERLAP).strftime(axis.date_format) if until else ""}
    whole = wanted.full or wanted.reconcile or source.delivery == "full" or not (axis.index and axis.dates)
    last = None if whole else _last_complete(source, asked)
    if last and last.response_date:
        since = min(datetime.fromisoformat(last.response_date), now) - OVERLAP
        plan |= {"since": since.strftime("%Y-%m-%d"), "low": axis.since(since.date()).low}
    return plan


def _last_complete(source: Source, asked: dict[str, Any]) -> landing.Batch | None:
    for batch_id in reversed(lake.raw_batches(source.source_id)):
        batch = landing.batch(source.source_id, batch_id)
        same = batch.details.get("asked") == asked and not batch.details.get("window")
        if same and batch.details.get("complete"):
            return batch
    return None


def _broken_off(error: HarvestError, landed: Landing) -> HarvestError:
    pages, records = len(landed.rows), landed.received
    if pages and error.resumable:
        return HarvestError(
            f"{error}; {records} records on {pages} pages are kept, and the next harvest goes on from there"
        )
    landed.abandon()
    return HarvestError(f"{error}; it came after {records} records", resumable=False) if pages else error


class _Reading:
    """The windows of one harvest being read."""

    def __init__(self, source: Source, server: Server, axis: Axis, landed: Landing):
        self.server, self.axis, self.landed = server, axis, landed
        self.page_size = int(source.quirks.get("page_size", 100))
        self.window_records = int(source.quirks.get("window_records", 0))
        self.most_bytes = source.max_megabytes * 1_000_000
        self.today = datetime.now(UTC).date()

    def all(self, state: _State | None, progress: Progress) -> _State:
        """Read every window that is due."""
        if state is None:
            whole = Window(self.landed.plan["low"], self.landed.plan["high"])
            state = _State([whole], self.server.count(whole), most=self.window_records)
        elif state.window and self.server.count(state.window) != state.size:
            self._forget(state)
        while state.window or state.due:
            if state.window is None:
                self._begin(state)
            if state.window is not None:
                self._read(state, progress)
        if state.came < state.announced and not state.notes:  # some may have been deleted meanwhile
            whole = Window(self.landed.plan["low"], self.landed.plan["high"])
            state.announced = min(state.announced, self.server.count(whole))
        return state

    def _begin(self, state: _State) -> None:
        """Take the next window, or put its halves in its place if it is too large."""
        window = state.due.pop()
        whole = not self.landed.rows and not state.due
        state.size = state.announced if whole else self.server.count(window)
        if state.most and state.size > state.most and self._halve(state, window):
            return
        if state.size:
            state.window, state.position, state.here = window, 1, 0

    def _halve(self, state: _State, window: Window) -> bool:
        halves = self.axis.halves(window, self.today)
        if halves is None:
            return False
        counts = [self.server.count(half) for half in halves]
        if sum(counts) > max(state.size, self.server.count(window)):
            raise HarvestError(
                f"{self.server.address}: the two parts of {window} hold {sum(counts)} records, the whole "
                f"{state.size}: {self.axis.index} does not put records in order; name another index in quirks",
                resumable=False,
            )
        if (lost := state.size - sum(counts)) > 0:
            state.notes.append(f"{lost} of {window} have no value in {self.axis.index} and can't be asked for")
        state.due += [half for half, count in zip(reversed(halves), reversed(counts), strict=True) if count]
        return True

    def _forget(self, state: _State) -> None:
        """Take back the pages of the window being read."""
        self.landed.drop(*[r["file"] for r in self.landed.rows if r["file"].startswith(self._prefix(state))])
        state.came -= state.here
        state.position, state.here = 1, 0
        state.due.append(state.window or Window())
        state.window = None

    def _prefix(self, state: _State) -> str:
        """How the files of a window are named; the windows that are due tell them apart."""
        window = state.window or Window()
        name = "-".join(part for part in (window.low, window.high) if part) or "all"
        return "".join(c if c.isalnum() or c == "-" else "_" for c in f"{window.low and 'above-'}{name}") + "."

    def _read(self, state: _State, progress: Progress) -> None:
        """Read the window to its end."""
        assert state.window is not None
        window = state.window
        for _ in range(READ_AGAIN):
            if not (changed := self._pages(state, progress)):
                break
            log.info("source %s: %s; read again", self.landed.source_id, changed)
            self._forget(state)
            state.due.pop()
            state.window, state.size = window, self.server.count(window)
        else:
            if changed := self._pages(state, progress, steady=False):
                state.notes.append(f"{changed} each of {READ_AGAIN + 1} times it was read")
        reached = state.position - 1
        if reached < state.size:
            if reached and self.axis.halves(window, self.today):
                state.most = min(state.most or reached, reached)
                self._forget(state)
                return
            state.notes.append(self._unreachable(state, reached))
        state.window = None

    def _unreachable(self, state: _State, reached: int) -> str:
        if not reached:
            return (
                f"{state.size} were found ({state.window}), but not even the first was given; see metadata_prefix"
            )
        said = f"{state.size} were found ({state.window}), and the server gave the first {reached} only"
        if self.axis.index:
            return said
        return f"{said}; name a date_index or id_index in quirks, so that it is asked in windows"

    def _pages(self, state: _State, progress: Progress, steady: bool = True) -> str:
        """Land pages up to the end of the window, or if it is to be steady, until its size changes; how it did."""
        assert state.window is not None
        seen: set[str] = set()
        changed = ""
        while state.position <= state.size:
            most = min(self.page_size, state.size - state.position + 1)
            try:
                page = self.server.page(state.window, state.position, most)
            except OutOfReachError:
                break
            if page.size != state.size:
                changed = f"its size changed while it was read ({state.size}, then {page.size}; {state.window})"
                if steady:
                    break  # else on to where the result ended at first: one that grows for ever has no end
            if not page.records:
                break
            if page.identity in seen or page.first not in (0, state.position):
                raise HarvestError(
                    f"{self.server.request(state.window, state.position)}: records that came before came again; "
                    "the server does not go on where it is asked to; tell the member",
                    resumable=False,
                )
            if page.identity:
                seen.add(page.identity)
            self._land(state, page)
            progress.advance(page.records)
        return changed

    def _land(self, state: _State, page: Page) -> None:
        assert state.window is not None
        request = self.server.request(state.window, state.position)
        name = f"{self._prefix(state)}{state.position:08d}{self.server.suffix}"
        state.here += page.records
        state.came += page.records
        state.position += page.records
        if page.following > state.position:
            state.notes.append(f"the server passes over {page.following - state.position} records ({name})")
            state.position = page.following
        state.notes += [f"{fault} ({name})" for fault in page.faults]
        found = landing.count_records(page.content)
        if found != page.records:
            state.notes.append(f"{name}: the server says {page.records} records, its bytes hold {found}")
        self.landed.land_page(name, page.content, request, found, state.kept())
        if sum(row["bytes"] for row in self.landed.rows) > self.most_bytes:
            raise HarvestError(
                f"{self.server.address}: more than max_megabytes of the source came; raise it", resumable=False
            )


def _finish(source: Source, server: Server, landed: Landing, state: _State, wanted: Wanted) -> Harvested:
    """Make the batch visible, unless nothing came or nothing changed."""
    plan, earlier = landed.plan, lake.raw_batches(source.source_id)
    whole = not (plan["since"] or plan["window"])
    missing = max(0, state.announced - state.came)
    if not landed.received:
        landed.abandon()
        if missing:
            raise HarvestError(
                f"{server.address} found {state.announced} records but sent none; {'; '.join(state.notes)}", False
            )
        if whole and earlier:
            raise HarvestError(
                f"{server.address} says that it has no records at all, though some came before; nothing is "
                "withdrawn; ask the member",
                resumable=False,
            )
        since = f" since {plan['since']}" if plan["since"] else ""
        return Harvested("unchanged", 0, f"{server.address} has no records{since}")
    if missing:
        state.notes.insert(0, f"{state.announced} records were found, {state.came} came: {missing} are missing")
    complete = not state.notes
    if whole and complete and _equals(source, landed, earlier):
        landed.abandon()
        return Harvested("unchanged", 0, f"{server.address}: all {state.came} records are as they were")
    landed.complete(
        full=whole and complete,
        response_date=plan["started"],
        protocol=source.protocol,
        complete=complete,
        announced=state.announced,
        missing=missing,
        notes=state.notes[:100],
        **plan,
    )
    if complete:
        return Harvested("complete", landed.received)
    told = "; ".join(state.notes[:5]) + (f"; and {len(state.notes) - 5} more" if len(state.notes) > 5 else "")
    return Harvested("partial", landed.received, f"{server.address}: {told}; what came is used")


def _equals(source: Source, landed: Landing, earlier: list[str]) -> bool:
    """Whether the newest batch has the same pages to the byte, and replaced everything too."""
    if not earlier or not landing.batch(source.source_id, earlier[-1]).full:
        return False
    before = {(row["file"], row["sha256"]) for row in landing.manifest(source.source_id, earlier[-1])}
    return before == {(row["file"], row["sha256"]) for row in landed.rows}

"""Harvesting COUNTER reports of Release 5 and 5.1 by the COUNTER API (SUSHI), each report month by month.

A report of one month is one file, which lands through the door of usage (`usage_door.py`).  Months that came
whole, or that the platform gave up (3032), are not asked for again; those that it does not have ready, or only in
part, are, with the next harvest.
COUNTER Code of Practice 5.1, section 8 and appendix D (exceptions).
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import requests

from harvesters import credentials, landing, usage_door
from harvesters.compressed import UnreadableError
from harvesters.counter import PARTIAL
from harvesters.http import USER_AGENT, Session, TransientError, shown_address
from harvesters.landing import Harvested, HarvestError, Landing
from harvesters.registry import Source
from harvesters.wanted import Wanted
from warehouse import lake
from warehouse.progress import Progress

MONTHS = 12  # back from now, where the row names no month to begin with
READY_AFTER = 2  # months after which usage has to be ready (it is due four weeks after a month's end)
BUSY, QUEUED, THROTTLED = (1000, 1010), 1011, 1020
NOT_READY, GONE = 3031, 3032  # 3030, no usage, is an empty report that is whole
LOGIN = range(2000, 3000)
ADVICE = {
    1030: "the platform wants more than customer_id, requestor_id and api_key; ask it what",
    3000: "it has no such report; correct metadata_prefix in sources.csv",
    3010: "it does not have this release; set release in quirks",
    3020: "it refuses the dates; set begin in quirks",
    3060: "it refuses the platform in set_spec; correct sources.csv",
}


class ReportError(HarvestError):
    """A report of a month that is not to be had now."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason, resumable=False)
        self.code = code


@dataclass
class _Told:
    """What became of the months that were asked for."""

    done: list[str] = field(default_factory=list)  # "TR 2026-01", not to be asked for again
    early: list[str] = field(default_factory=list)  # not ready, and not late
    missing: list[str] = field(default_factory=list)


def harvest(source: Source, batch_id: str, wanted: Wanted) -> Harvested:
    """Land the reports of all months that have not come yet, or of all if everything is wanted.

    Raises:
        HarvestError: the platform refuses us, or gives nothing at all.
    """
    platform = Platform(source)
    landing.discard_in_progress(source.source_id)
    known = set() if wanted.full or wanted.windowed else _known(source)
    due = [
        (r, month) for r in platform.reports for month in _months(source, wanted) if f"{r} {month}" not in known
    ]
    landed, told = Landing(source.source_id, batch_id), _Told()
    try:
        with Progress(f"harvest {source.source_id}", "reports", len(due)) as progress:
            for report, month in due:
                _take(platform, landed, told, report, month)
                progress.advance()
    except HarvestError as error:
        if not landed.rows:
            landed.abandon()
            raise
        told.missing.append(f"{error}; from {report} {month} on nothing more was asked for")
    return _finish(platform, landed, told)


def _take(platform: "Platform", landed: Landing, told: _Told, report: str, month: str) -> None:
    name = f"{report} {month}"
    try:
        content, codes = platform.report(report, month)
    except ReportError as error:
        if error.code == GONE:
            told.done.append(name)
        if error.code == NOT_READY and _age(month) < READY_AFTER:
            told.early.append(name)
        else:
            told.missing.append(f"{name}: {error}")
        return
    try:
        with usage_door.whole(landed):
            landed.notes += usage_door.land(
                platform.source, landed, f"{report}-{month}.json", content, len(content),
                hashlib.sha256(content).hexdigest(), platform.request(report, month),
            )  # fmt: skip
    except UnreadableError as error:
        told.missing.append(f"{name}: {error}; it is asked for again")
        return
    if PARTIAL in codes:
        told.missing.append(f"{name}: only part of it is ready (exception {PARTIAL}); it is asked for again")
    else:
        told.done.append(name)


def _known(source: Source) -> set[str]:
    """The reports and months that are done."""
    batches = (landing.batch(source.source_id, batch_id) for batch_id in lake.raw_batches(source.source_id))
    return {name for batch in batches for name in batch.details.get("done", [])}


def _months(source: Source, wanted: Wanted) -> list[str]:
    """The months to ask for, oldest first; the last is the one before this."""
    today = lake.now().date()
    this = today.year * 12 + today.month - 1
    begin = wanted.since[:7] or source.quirks.get("begin", "")
    first = int(begin[:4]) * 12 + int(begin[5:7]) - 1 if begin else this - MONTHS
    end = wanted.until[:7]
    last = int(end[:4]) * 12 + int(end[5:7]) - 1 if end else this - 1
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, min(last, this - 1) + 1)]


def _age(month: str) -> int:
    """How many months ago a month was."""
    today = lake.now().date()
    return today.year * 12 + today.month - int(month[:4]) * 12 - int(month[5:7])


def _finish(platform: "Platform", landed: Landing, told: _Told) -> Harvested:
    waiting = f"not ready yet: {', '.join(told.early)}" if told.early else ""
    missing = "; ".join(told.missing[:5]) + (f"; and {len(told.missing) - 5} more" if told.missing[5:] else "")
    if not landed.rows:
        landed.abandon()
        if told.missing:
            raise HarvestError(f"{platform.address}: {missing}", resumable=False)
        return Harvested("unchanged", 0, f"{platform.address}: {waiting or 'no month that has not come'}")
    landed.complete(
        full=False,
        protocol="sushi",
        complete=not told.missing,
        done=told.done,
        missing=told.missing[:100],
        notes=landed.notes,
    )
    if told.missing:
        return Harvested("partial", landed.received, f"{platform.address}: {missing}; what came is used")
    return Harvested("complete", landed.received, f"{platform.address}: {waiting}" if waiting else "")


class Platform:
    """One COUNTER API."""

    def __init__(self, source: Source):
        self.source = source
        self.address = shown_address(source.address).rstrip("/")
        self.reports = (source.metadata_prefix or "").replace(",", " ").split()
        path = "r51/reports" if source.quirks.get("release", "5.1") == "5.1" else "reports"
        self.base = f"{self.address}/{path}"
        self.session = Session(source, USER_AGENT)
        self.session.session.headers["Accept"] = "application/json"
        given = self.session.credentials
        if not given.get("customer_id"):
            raise HarvestError(
                f"no customer_id for {source.source_id}: put customer_id, and requestor_id or api_key where the "
                "platform wants them, into its connection or environment variable",
                resumable=False,
            )
        names = ("customer_id", "requestor_id", "api_key")
        self._login = {name: given[name] for name in names if given.get(name)}

    def request(self, report: str, month: str) -> str:
        """A request as the manifest shows it."""
        return f"{self.base}/{report.lower()}?begin_date={month}&end_date={month}"

    def report(self, report: str, month: str) -> tuple[bytes, list[int]]:
        """One report of one month, and the codes of exceptions that it came with.

        Raises:
            ReportError: it is not to be had now.
            HarvestError: nothing is to be had.
        """
        params = {"begin_date": month, "end_date": month, **self._login}
        if self.source.set_spec:
            params["platform"] = self.source.set_spec
        address = f"{self.base}/{report.lower()}"
        try:
            return self.session.ask(address, params, self._read(report), _refused, f"{report}, {month}")
        except ReportError:
            raise
        except HarvestError as error:
            if isinstance(error.__cause__, _QueuedError):
                raise ReportError(QUEUED, f"it is still being made ({error})") from error
            raise

    def _read(self, report: str) -> Any:
        def read(response: requests.Response, content: bytes) -> tuple[bytes, list[int]]:
            said = _exceptions(content)
            if response.status_code == 202 and not said:
                said = [(QUEUED, "queued")]
            _raise(said)
            header = _json(content).get("Report_Header") or {}
            if str(header.get("Report_ID", "")).upper() != report.upper():
                raise TransientError(f"the answer is not the report {report}, but {header.get('Report_ID')!r}")
            return content, [code for code, _ in said]

        return read


class _QueuedError(TransientError):
    """The report is being made."""


def _refused(response: requests.Response, content: bytes) -> None:
    """Exceptions come with a status of 4xx or 5xx, too, and say more than it."""
    try:
        said = _exceptions(content)
    except TransientError:
        return
    if any(code != THROTTLED for code, _ in said):  # a Retry-After comes with that
        _raise(said)


def _raise(said: list[tuple[int, str]]) -> None:
    """Raise what the worst of the exceptions means."""
    for code, message in said:
        told = f"exception {code}: {message}"
        if code in BUSY or code == THROTTLED:
            raise TransientError(told)
        if code == QUEUED:
            raise _QueuedError(told)
        if code in LOGIN:
            raise HarvestError(f"{told}; a person must ask the platform for access", resumable=False)
        if code in (NOT_READY, GONE):
            raise ReportError(code, told)
        if code in ADVICE:
            raise ReportError(code, f"{told}; {ADVICE[code]}")


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        kind = "an HTML page" if b"<html" in content[:2048].lower() else f"no whole JSON ({error})"
        raise TransientError(f"the answer is {kind}") from None
    if isinstance(found, list) and found and isinstance(found[0], dict):
        found = {"Exceptions": found}  # Release 5 sends bare exceptions so
    if not isinstance(found, dict):
        raise TransientError("the answer is no JSON object")
    return found


def _exceptions(content: bytes) -> list[tuple[int, str]]:
    """Codes and messages of the exceptions in an answer, wherever a release puts them."""
    found = _json(content)
    header = found.get("Report_Header")
    places = [found, header if isinstance(header, dict) else {}]
    listed = [one for place in places for name in ("Exceptions", "Exception") for one in _listed(place.get(name))]
    if not listed and "Code" in found:
        listed = [found]
    return [
        (int(one["Code"]), credentials.masked(f"{one.get('Message', '')} {one.get('Data') or ''}".strip())[:200])
        for one in listed
        if isinstance(one, dict) and str(one.get("Code", "")).isdecimal()
    ]


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found] if found else []

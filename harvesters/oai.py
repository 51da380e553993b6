"""Harvesting over OAI-PMH 2.0: whole pages only, and a list that is proved to have ended.

A list (the records of a window: prefix, set, from) is landed page by page.  It is complete when the last page
bears no resumption token and not fewer records came than the source announced (`completeListSize`).  The next
harvest asks from the first page's `responseDate` of the last complete one, less an overlap.  A harvest that
breaks off keeps what has landed, and the next one goes on from there.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from harvesters import landing
from harvesters.http import shown_address
from harvesters.landing import Harvested, HarvestError, Landing
from harvesters.oai_client import Client
from harvesters.oai_page import OAIError
from harvesters.registry import Source
from harvesters.wanted import Wanted
from warehouse import lake
from warehouse.outcome import set_aside
from warehouse.progress import Progress

log = logging.getLogger(__name__)

Steps = list[dict[str, Any]]  # what is known after each landed page: token, response_date, size
OVERLAP = {"day": timedelta(days=1), "second": timedelta(minutes=5)}
FORMATS = {"day": "%Y-%m-%d", "second": "%Y-%m-%dT%H:%M:%SZ"}
EXPIRED = ("badResumptionToken", "badArgument")  # what servers answer to a token that they no longer know
ADVICE = {
    "cannotDisseminateFormat": "the source does not offer this prefix; correct metadata_prefix in sources.csv",
    "noSetHierarchy": "the source has no sets; clear set_spec in sources.csv",
    "badArgument": "the source refuses the request; check metadata_prefix and set_spec in sources.csv",
    "badVerb": "the source does not understand OAI-PMH 2.0; check the address in sources.csv",
    "badResumptionToken": "its token expired twice; harvest again, or ask the member for longer-lived tokens",
    "noRecordsMatch": "the list broke off where a page was due; tell the member",
}


def harvest(source: Source, batch_id: str, wanted: Wanted) -> Harvested:
    """Land what is wanted of an OAI source as one batch; everything where its delivery is full.

    Raises:
        HarvestError: the list could not be read to its end; what has landed waits for the next harvest.
    """
    if source.delivery == "full" and not wanted.windowed:
        wanted = replace(wanted, full=True)
    client = Client(source)
    window = _window(wanted)
    kept = landing.take_up(
        source.source_id,
        batch_id,
        fits=lambda plan: _goes_on(plan, source, wanted),
        spares=lambda plan: bool(window) and plan.get("window") != window,
    )
    if kept:
        landed, steps = kept
        log.info("source %s: goes on after %d records that had landed", source.source_id, landed.received)
    else:
        plan, steps = _plan(client, source, wanted), []
        landed = Landing(source.source_id, batch_id)
        landed.begin(plan)
    try:
        with Progress(f"harvest {source.source_id}", "records") as progress:
            steps = _whole_list(client, landed, steps, progress)
    except HarvestError as error:
        raise _broken_off(error, landed) from error
    return _finish(source, landed, steps)


def _broken_off(error: HarvestError, landed: Landing) -> HarvestError:
    """The error with what becomes of the pages that did land."""
    pages, records = len(landed.rows), landed.received
    if pages and error.resumable:
        kept = f"{records} records on {pages} pages are kept, and the next harvest goes on from there"
        return HarvestError(f"{error}; {kept}")
    landed.abandon()
    return HarvestError(f"{error}; it came after {records} records", resumable=False) if pages else error


# --- the window ------------------------------------------------------------------------------------------


def _asked(source: Source) -> dict[str, str | None]:
    """What makes two lists the same one."""
    address = shown_address(source.address)
    return {"address": address, "metadata_prefix": source.metadata_prefix, "set_spec": source.set_spec}


def _plan(client: Client, source: Source, wanted: Wanted) -> dict[str, Any]:
    """What list to ask for, and what Identify said; JSON, kept with the batch."""
    identify = client.identify()
    granularity = "second" if "ss" in identify["granularity"] else "day"
    plan = {"asked": _asked(source), "identify": identify, "window": _window(wanted), "after": ""}
    if wanted.windowed:
        bounds = {"from": wanted.bound("since", granularity), "until": wanted.bound("until", granularity)}
        return plan | bounds
    last = None if wanted.full else _last_complete(source)
    after = last.response_date if last else ""
    return plan | {"after": after, "from": _since(after, granularity), "until": ""}


def _window(wanted: Wanted) -> list[str]:
    """The window that was named, if any."""
    return [wanted.since, wanted.until] if wanted.windowed else []


def _goes_on(plan: dict[str, Any], source: Source, wanted: Wanted) -> bool:
    """Whether a list in progress is the one that is wanted now."""
    same = plan.get("asked") == _asked(source) and plan.get("window") == _window(wanted)
    return same and not (wanted.full and plan["from"])


def _last_complete(source: Source) -> landing.Batch | None:
    """The newest complete batch of the same list, to its end; none where the row of the source has changed.

    What came after a batch that staff rejected leaves a gap, so the next harvest goes on from before the gap.
    """
    rejected, last = set_aside(source.source_id), None
    for batch_id in lake.raw_batches(source.source_id):
        batch = landing.batch(source.source_id, batch_id)
        same = batch.details.get("asked") == _asked(source) and not batch.details.get("window")
        joins = not batch.details.get("from") or (last and batch.details.get("after", "") <= last.response_date)
        if same and joins and batch.details.get("complete") and batch_id not in rejected:
            last = batch
    return last


def _since(response_date: str, granularity: str) -> str:
    """`from` for a list that goes on from a response date; "" (everything) where that is no use.

    A date that is not UTC as the standard writes it, or lies in the future, would make records vanish.
    """
    try:
        at = datetime.strptime(response_date, FORMATS["second"])
    except ValueError:
        return ""
    if at > lake.now() + timedelta(days=1):
        return ""
    return (at - OVERLAP[granularity]).strftime(FORMATS[granularity])


# --- the list --------------------------------------------------------------------------------------------


def _whole_list(client: Client, landed: Landing, steps: Steps, progress: Progress) -> Steps:
    """Land the pages that are still due; the progress after each page, from the first on.

    An expired token makes the list begin again, once; so does a source that announced seconds but refuses
    them, asking for days this time.
    """
    restarted = False
    while True:
        plan = landed.plan
        try:
            return _pages(client, landed, steps, progress)
        except OAIError as error:
            in_seconds = "T" in plan["from"] + plan["until"]
            seconds_refused = error.code == "badArgument" and in_seconds and not landed.rows
            if error.code == "noRecordsMatch" and not landed.rows:
                return []
            if error.code in EXPIRED and landed.rows and not restarted:
                restarted = True
                log.warning("source %s: the token expired; the list begins again", landed.source_id)
            elif seconds_refused:
                plan = plan | _in_days(plan)
            else:
                advice = ADVICE.get(error.code, "tell the member what its server said")
                raise HarvestError(f"{error}; {advice}", error.code == "noRecordsMatch") from error
            landed.begin(plan)
            steps = []


def _in_days(plan: dict[str, Any]) -> dict[str, str]:
    """The bounds of a plan for a source that takes no seconds after all."""
    since = plan["from"][:10] if plan["window"] else _since(plan["after"], "day")
    return {"from": since, "until": plan["until"][:10]}


def _pages(client: Client, landed: Landing, steps: Steps, progress: Progress) -> Steps:
    steps = list(steps)
    used = {step["token"] for step in steps}
    while not steps or steps[-1]["token"]:
        asked = {"resumptionToken": steps[-1]["token"]} if steps else _first_request(landed.plan)
        page = client.listed("ListRecords", **asked)
        request = f"{shown_address(client.endpoint)}?{urlencode({'verb': 'ListRecords', **asked})}"
        if page.token and page.token in used:
            raise HarvestError(
                f"{request}: the same resumptionToken came a second time, so the list would never end; tell the "
                "member that its server repeats tokens",
                resumable=False,
            )
        used.add(page.token)
        step = {
            "token": page.token,
            "response_date": page.response_date,
            "size": page.complete_list_size,
            "damaged": page.damaged,
        }
        name = f"page-{len(landed.rows) + 1:05d}.xml"
        landed.land(name, page.content, request, received=page.records, progress=step)
        steps.append(step)
        progress.advance(page.records)
    return steps


def _first_request(plan: dict[str, Any]) -> dict[str, str]:
    asked = plan["asked"]
    given = {"metadataPrefix": asked["metadata_prefix"], "set": asked["set_spec"]}
    given |= {"from": plan["from"], "until": plan["until"]}
    return {name: value for name, value in given.items() if value}


def _told(plan: dict[str, Any]) -> str:
    """The window in words."""
    bounds = [f"{word} {plan[name]}" for word, name in (("since", "from"), ("until", "until")) if plan[name]]
    return " ".join(bounds) or "at all"


def _finish(source: Source, landed: Landing, steps: Steps) -> Harvested:
    """Make the batch visible, unless nothing came."""
    plan, address = landed.plan, shown_address(source.address)
    announced = next((step["size"] for step in reversed(steps) if step["size"] is not None), None)
    missing = max(0, (announced or 0) - landed.received)
    if not landed.received:
        landed.abandon()
        if missing:
            raise HarvestError(f"{address} announced {announced} records but sent none; ask the member", False)
        if not (plan["from"] or plan["window"]) and lake.raw_batches(source.source_id):
            raise HarvestError(
                f"{address} says that it has no records at all, though some came before; nothing is withdrawn; "
                "ask the member",
                resumable=False,
            )
        return Harvested("unchanged", 0, f"{address} has no records {_told(plan)}")
    landed.complete(
        full=not (plan["from"] or plan["window"] or missing),
        response_date=steps[0]["response_date"],
        protocol="oai",
        complete=not missing,
        complete_list_size=announced,
        pages=len(steps),
        **plan,
    )
    if not missing:
        return Harvested("complete", landed.received)
    reason = (
        f"{address} announced {announced} records, but its list ended after "
        f"{landed.received}: {missing} are missing; what came is used, and the next harvest asks for the whole "
        "window again; if it stays so, ask the member"
    )
    return Harvested("partial", landed.received, reason)

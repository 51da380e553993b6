"""Harvesting over OAI-PMH 2.0: whole pages only, and lists that are proved to have ended.

A list (the records of a window: prefix, set, from, until) is landed page by page (`harvesters.oai_list`).  It is
complete when the last page bears no resumption token and not fewer different records came than were announced
(`completeListSize`).  The next harvest asks from the first page's `responseDate` of the last complete one, or from
our own clock where that is behind, less an overlap.  A harvest that breaks off keeps what has landed, and the
next one goes on from there.

Where a source keeps no deletions, or not for ever, all identifiers are listed now and then (`reconcile_days` in
quirks), and land in the batch: the stage withdraws what is not among them, at its gates.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harvesters import landing, oai_page
from harvesters.http import shown_address
from harvesters.landing import Harvested, HarvestError, Landing
from harvesters.oai_client import Client
from harvesters.oai_list import FILES, IDENTIFIERS, RECORDS, Steps, whole_list
from harvesters.registry import Source
from harvesters.wanted import Wanted
from warehouse import lake
from warehouse.outcome import set_aside
from warehouse.progress import Progress

log = logging.getLogger(__name__)

OVERLAP = {"day": timedelta(days=1), "second": timedelta(minutes=5)}
FORMATS = {"day": "%Y-%m-%d", "second": "%Y-%m-%dT%H:%M:%SZ"}
AGAIN = "what came is used, and the next harvest asks for the whole window again; if it stays so, ask the member"
RECONCILE_DAYS = {"no": 7.0, "transient": 30.0}  # by what Identify says of deletedRecord


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
    missed = ""
    try:
        with Progress(f"harvest {source.source_id}", "records") as progress:
            steps, different = whole_list(client, landed, steps, RECORDS, progress)
            if landed.plan["reconcile"]:
                steps, missed = _reconcile(client, landed, steps, progress)
    except HarvestError as error:
        raise _broken_off(error, landed) from error
    return _finish(source, landed, steps, different, missed)


def _reconcile(client: Client, landed: Landing, steps: Steps, progress: Progress) -> tuple[Steps, str]:
    """Land the list of all identifiers; why it is no proof, where it is none."""
    try:
        steps, listed = whole_list(client, landed, steps, IDENTIFIERS, progress)
        announced = _announced(steps, IDENTIFIERS)
        if not listed:
            raise HarvestError("it lists no identifier at all")
        if announced > listed:
            raise HarvestError(f"it announced {announced} identifiers, but listed {listed}")
    except HarvestError as error:
        landed.drop(*(row["file"] for row in landed.rows if row["file"].startswith(FILES[IDENTIFIERS])))
        steps = [step for step in steps if step["list"] == RECORDS]
        return steps, f"its records could not be compared with ours, so nothing is withdrawn: {error}"
    return steps, ""


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
    last = None if wanted.full or wanted.windowed else _last_complete(source)
    after = last.response_date if last else ""
    prefixes = [one.strip() for one in (source.metadata_prefix or "").split("|")]
    prefix = last.details.get("prefix") if last else None  # of the same list, so one of these
    since = {unit: _since(after, unit, source) for unit in FORMATS}
    until = ""
    if wanted.windowed:
        since = {unit: wanted.bound("since", unit) for unit in FORMATS}
        until = wanted.bound("until", granularity)
    plan = {
        "asked": _asked(source),
        "identify": identify,
        "after": after,
        "asked_at": lake.now().strftime(FORMATS["second"]),
        "window": _window(wanted),
        "prefix": prefix or prefixes[0],
        "set": last.details.get("set", source.set_spec) if last else source.set_spec,  # "" once it had no sets
        "other_prefixes": [one for one in prefixes if one != (prefix or prefixes[0])],
        "from": since[granularity],
        "from_day": since["day"],
        "until": until,
    }
    return plan | {"reconcile": wanted.reconcile or (bool(plan["from"]) and _is_due(source, plan))}


def _is_due(source: Source, plan: dict[str, Any]) -> bool:
    """Whether all identifiers are to be compared, since the source does not tell of all that it withdrew."""
    days = RECONCILE_DAYS.get(plan["identify"]["deletedRecord"].lower())
    if plan["window"] or days is None:
        return False
    days = float(source.quirks.get("reconcile_days", days))
    for batch_id in reversed(lake.raw_batches(source.source_id)):
        batch = landing.batch(source.source_id, batch_id)
        if batch.full or batch.details.get("identifiers"):
            return lake.now() - datetime.strptime(batch_id, "%Y%m%dT%H%M%S%fZ") > timedelta(days=days)
    return True


def _window(wanted: Wanted) -> list[str]:
    """The window that was named, if any."""
    return [wanted.since, wanted.until] if wanted.windowed else []


def _goes_on(plan: dict[str, Any], source: Source, wanted: Wanted) -> bool:
    """Whether a list in progress is the one that is wanted now."""
    same = (
        plan.get("asked") == _asked(source)
        and plan.get("window") == _window(wanted)
        and {"prefix", "set"} <= plan.keys()
    )
    return same and not (wanted.full and plan["from"]) and plan["reconcile"] >= wanted.reconcile


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


def _since(response_date: str, granularity: str, source: Source) -> str:
    """`from` for a list that goes on from a response date; "" (everything) where that is no use.

    A date that does not say its zone, or lies in the future, would make records vanish.  Where a source's
    datestamps lag behind its clock, the quirk `overlap_hours` says by how much.
    """
    at = _utc(response_date)
    if not at or at > lake.now() + timedelta(days=1):
        return ""
    more = timedelta(hours=float(source.quirks.get("overlap_hours", 0)))
    return (at - max(OVERLAP[granularity], more)).strftime(FORMATS[granularity])


def _until_when(steps: Steps, plan: dict[str, Any]) -> str:
    """From when the next list goes on: the source's clock or ours, whichever is behind."""
    told = next((step["response_date"] for step in steps if step["list"] == RECORDS), "")
    at, ours = _utc(told), _utc(plan["asked_at"])
    return str(plan["asked_at"] if at and ours and ours < at < ours + timedelta(days=1) else told)


def _utc(text: str) -> datetime | None:
    """The time in UTC, without a zone, that ISO 8601 text with a zone says, as the standard's `…Z`."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


# --- the end ---------------------------------------------------------------------------------------------


def _announced(steps: Steps, verb: str) -> int:
    """The largest size of the list that was announced; 0 if none was.

    Some servers tell on each page how many are left, and a list that shrank meanwhile is harvested again.
    """
    return max((step["size"] or 0 for step in steps if step["list"] == verb), default=0)


def _finish(source: Source, landed: Landing, steps: Steps, different: int, missed: str) -> Harvested:
    """Make the batch visible, unless nothing came."""
    plan, address = landed.plan, shown_address(source.address)
    announced = _announced(steps, RECORDS)
    missing = 0 if source.quirks.get("list_size") == "ignore" else max(0, announced - different)
    listed = [row for row in landed.rows if row["file"].startswith(FILES[IDENTIFIERS])]
    if not landed.received and not listed:
        landed.abandon()
        return _nothing(source, plan, missing, missed)
    whole = not (plan["from"] or plan["window"])
    repeated = 0 if announced else sum(step.get("repeated", False) for step in steps if step["list"] == RECORDS)
    complete = not missing and not repeated
    unknown = _unknown(source, landed, listed) if listed and not plan["set"] else []
    landed.complete(
        full=whole and complete and landed.received > 0,
        response_date=_until_when(steps, plan),
        protocol="oai",
        complete=complete,
        complete_list_size=announced or None,
        pages=sum(step["list"] == RECORDS for step in steps),
        identifiers=[row["file"] for row in listed],
        **plan,
    )
    faults = [missed] if missed else []
    flags = _flags(plan)
    if missing:
        twice = landed.received - different
        faults.append(
            f"{address} announced {announced} records, but its list ended after {different}"
            f"{f' ({twice} came twice)' if twice else ''}: {missing} are missing; {AGAIN}"
        )
    if repeated:
        faults.append(
            f"{repeated} pages of {address} brought only records that had come before, so others may be missing; "
            f"{AGAIN}"
        )
    if unknown:
        faults.append(
            f"{address} lists {len(unknown)} identifiers whose records never came, for example {unknown[0]}; "
            f"harvest everything: calis harvest {source.source_id} --full"
        )
    if faults:
        return Harvested("partial", landed.received, "; ".join(faults + flags))
    if damaged := sum(step["damaged"] for step in steps):
        flags.append(
            f"{damaged} records are not well-formed XML; they are kept, and the stage sets them aside with a "
            "reason"
        )
    return Harvested("complete", landed.received, f"{address}: {'; '.join(flags)}" if flags else "")


def _flags(plan: dict[str, Any]) -> list[str]:
    """What is to be said of a list though nothing is missing."""
    wanted = plan["asked"]["set_spec"]
    if not wanted or plan["set"]:
        return []
    return [
        f"it has no sets, so not set {wanted} but its whole repository was asked for; clear set_spec in "
        "sources.csv, or ask the member for a feed of its own"
    ]


def _nothing(source: Source, plan: dict[str, Any], missing: int, missed: str) -> Harvested:
    """The verdict of a list without records; it withdraws nothing.

    Raises:
        HarvestError: there should be some.
    """
    address = shown_address(source.address)
    if missing:
        raise HarvestError(f"{address} announced {missing} records but sent none; ask the member", False)
    if not (plan["from"] or plan["window"]) and lake.raw_batches(source.source_id):
        raise HarvestError(
            f"{address} says that it has no records at all, though some came before; nothing is withdrawn; "
            "ask the member",
            resumable=False,
        )
    if missed:
        return Harvested("partial", 0, "; ".join([f"{address}: {missed}", *_flags(plan)]))
    bounds = [f"{word} {plan[name]}" for word, name in (("since", "from"), ("until", "until")) if plan[name]]
    said = [f"{address} has no records {' '.join(bounds) or 'at all'}", *_flags(plan)]
    return Harvested("unchanged", 0, "; ".join(said))


def _unknown(source: Source, landed: Landing, listed: list[dict[str, Any]]) -> list[str]:
    """Identifiers on the pages listed, whose records never landed."""
    wanted = {one for row in listed for one in oai_page.identifiers(landed.kept(row), IDENTIFIERS)}
    for row in landed.rows:
        if row["file"].startswith(FILES[RECORDS]):
            wanted.difference_update(oai_page.identifiers(landed.kept(row), RECORDS))
    for batch_id in reversed(lake.raw_batches(source.source_id)):
        if not wanted:
            break
        for row in landing.manifest(source.source_id, batch_id):
            if row["file"].startswith(FILES[RECORDS]):
                with landing.open_raw(source.source_id, batch_id, row["file"]) as page:
                    wanted.difference_update(oai_page.identifiers(page.read(), RECORDS))
    return sorted(one.decode("utf-8", "replace") for one in wanted)

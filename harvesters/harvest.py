"""The harvest stage: one source, one attempt, one outcome."""

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from harvesters import credentials, files, oai, registry, sru, sushi, z3950
from harvesters.landing import Harvested, HarvestError, in_progress
from harvesters.registry import Source
from harvesters.wanted import Wanted
from warehouse import lake
from warehouse.outcome import FINISHED, Outcome, recorded
from warehouse.progress import Progress

log = logging.getLogger(__name__)
SIDE_BY_SIDE = 8  # hosts that one process asks at the same time

PROTOCOLS: dict[str, Callable[[Source, str, Wanted], Harvested]] = {
    "oai": oai.harvest,
    "sru": sru.harvest,
    "z3950": z3950.harvest,
    **dict.fromkeys(("folder", "sftp", "ftp", "s3"), files.harvest),
    "sushi": sushi.harvest,
}


def harvest(
    source: Source, run_id: str, full: bool = False, *, since: str = "", until: str = "", reconcile: bool = False
) -> Outcome:
    """Harvest one source and record the outcome; a fault of the source is a verdict, never an exception.

    The verdict is `complete` (a new batch has everything), `partial` (something is missing, the reason says
    what; a batch is there if any records were received), `unchanged` (nothing new, no batch) or `failed`.
    Every attempt has a batch id of its own, so each leaves a row in `quality.outcome`.  `full` asks for
    everything, and the batch then replaces all that the source sent before; the others are as in
    `harvesters.wanted`.

    Raises:
        ValueError: `since` or `until` is no date, or they contradict each other or `full`.
    """
    wanted = Wanted(full, since, until, reconcile)
    outcome = Outcome("harvest", source.source_id, lake.new_batch_id(), run_id)
    outcome.asked_for = f"{since}/{until}" if wanted.windowed else None
    try:
        with _alone(source.source_id):
            ended = PROTOCOLS[source.protocol](source, outcome.batch_id, wanted)
    except HarvestError as error:
        kept = any(folder.name == f".{outcome.batch_id}" for folder in in_progress(source.source_id))
        verdict = "partial" if error.resumable and kept else "failed"
        ended = Harvested(verdict, 0, str(error))
    except Exception as error:
        log.exception("source %s: unforeseen", source.source_id)
        ended = Harvested("failed", 0, f"unforeseen {type(error).__name__}: {error}; report it with the log")
    reason = credentials.masked(ended.reason)  # servers quote what they were sent
    outcome.verdict = ended.verdict
    outcome.reason = f"source {source.source_id}: {reason}" if reason else ""
    outcome.received = outcome.staged = ended.received
    level = logging.INFO if ended.verdict in FINISHED else logging.WARNING
    log.log(level, "harvest %s: %s, %d records. %s", source.source_id, ended.verdict, ended.received, reason)
    return outcome.record()


def harvest_sources(
    source_ids: Iterable[str], run_id: str, full: bool = False, *, jobs: int = SIDE_BY_SIDE, **wanted: Any
) -> list[Outcome]:
    """Harvest the sources named (all, where none is), some side by side; a bad one doesn't stop the next.

    The sources of one host are asked one after the other.  What this very run has finished before (complete or
    unchanged) is not asked again: its outcome is given as it was recorded.

    Args:
        source_ids: sources.
        run_id: the run that asks for it.
        full: as for `harvest`.
        jobs: how many hosts, or folders, at a time; they wait for the network most of the time.
        wanted: `since`, `until`, `reconcile`, as for `harvest`.

    Returns:
        An outcome for each, in the registry's order.

    Raises:
        RegistryError: the registry has faults; nothing was harvested.
        KeyError: there is no source of a name.
        ValueError: what is wanted contradicts itself; nothing was harvested.
    """
    Wanted(full, **wanted)
    chosen = registry.load().chosen(source_ids)
    hosts: dict[str, list[Source]] = {}
    for source in chosen:
        hosts.setdefault(source.host or source.source_id, []).append(source)
    outcomes: dict[str, Outcome] = {}

    def harvest_host(sources: list[Source]) -> None:
        for source in sources:
            before = _finished(source.source_id, run_id)
            outcomes[source.source_id] = before or harvest(source, run_id, full, **wanted)
            progress.advance()

    longest_first = sorted(hosts.values(), key=len, reverse=True)
    with Progress("harvest", "sources", len(chosen)) as progress, ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = [pool.submit(harvest_host, sources) for sources in longest_first]
        try:
            for done in waiting:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [outcomes[source.source_id] for source in chosen]


def _finished(source_id: str, run_id: str) -> Outcome | None:
    """The outcome of this run for a source, if nothing is left to do."""
    ended = (o for o in recorded("harvest", source_id) if o.run_id == run_id and o.verdict in FINISHED)
    return next(ended, None)


@contextmanager
def _alone(source_id: str) -> Iterator[None]:
    """Hold the source, so that no second process harvests it at the same time."""
    path = lake.raw_batch(source_id, "any").parent / ".harvest.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarvestError("another harvest of it is running; wait for that one", resumable=False) from None
        yield

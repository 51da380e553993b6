"""Airflow's pools, a line each in `pools.csv`: how many batches of a protocol are harvested at a time.

`batches` is into how many a run divides the sources of a pool at most; all pools together have 64, since Airflow
needs half a second for each mapped task.  The pool with `*` takes what no other does.
"""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from harvesters.registry import Source

FILE = Path(__file__).resolve().parent / "pools.csv"


class Pool(NamedTuple):
    """One line of `pools.csv`."""

    name: str
    slots: int
    batches: int
    protocols: tuple[str, ...]
    description: str


@cache
def load(file: Path = FILE) -> dict[str, Pool]:
    """All pools by name."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, strict=True))
    return {
        row["pool"]: Pool(
            row["pool"],
            int(row["slots"]),
            int(row["batches"] or 0),
            tuple(row["protocols"].split()),
            row["description"],
        )
        for row in rows
    }


def harvesting() -> list[str]:
    """The names of the pools that harvest."""
    return [pool.name for pool in load().values() if pool.protocols]


def of_protocol(protocol: str) -> str:
    """The name of the pool that a protocol is harvested in."""
    named = {protocol: pool.name for pool in load().values() for protocol in pool.protocols}
    return named.get(protocol) or named["*"]


def choose(
    source_ids: Iterable[str] = (), member_codes: Iterable[str] = (), only_due: bool = False
) -> dict[str, list[list[str]]]:
    """The batches of source ids that a run is to harvest, by pool.

    Args:
        source_ids: sources, and
        member_codes: members; of neither any means all sources.
        only_due: leave out what its schedule does not ask for now.

    Raises:
        RegistryError: the registry has faults.
        KeyError: there is no source, or no member, of a name.
    """
    from harvesters import registry, schedule  # here, since Airflow reads the names of pools with each DAG file

    chosen = registry.load().chosen(source_ids, member_codes)
    if only_due:
        chosen = tuple(source for source in chosen if schedule.is_due(source))
    return {
        name: batches((s for s in chosen if of_protocol(s.protocol) == name), load()[name].batches)
        for name in harvesting()
    }


def batches(sources: "Iterable[Source]", most: int, least: int = 4) -> list[list[str]]:
    """The ids of the sources dealt into at most `most` batches of about `least` or more.

    The sources of one host come into one batch, where they are harvested one after the other; so no two tasks ask
    it at the same time.
    """
    hosts: dict[str, list[str]] = {}
    for source in sources:
        hosts.setdefault(source.host or source.source_id, []).append(source.source_id)
    count = min(most, -(-sum(map(len, hosts.values())) // least))
    dealt: list[list[str]] = [[] for _ in range(count)]
    for ids in sorted(hosts.values(), key=len, reverse=True):
        min(dealt, key=len).extend(ids)
    return [batch for batch in dealt if batch]

"""What the tasks of the DAGs do besides the stages: batches of sources, and what is worth another try."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harvesters import pools

Params = Mapping[str, Any]  # sources, members, full, since, until


def choose(params: Params, run_type: str, by_day: bool) -> dict[str, list[list[str]]]:
    """The batches of a run by pool: what is due, or what is asked for by hand or by a backfill.

    A scheduled run by day has nothing: only a backfill, or a person, fetches a day again.
    """
    if run_type == "scheduled" and by_day:
        return {pool: [] for pool in pools.harvesting()}
    return pools.choose(params["sources"], params["members"], only_due=run_type == "scheduled")


def harvest(batch: list[str], run_id: str, params: Params, day: str, last: bool) -> None:
    """Harvest a batch; `day` (2026-11-01, or "") is the window where the parameters name none.

    Raises:
        TryAgainError: some sources are worth another try, and this was not the last.
    """
    from harvesters.harvest import harvest_sources
    from warehouse.health import raise_to_try_again

    since, until = (params["since"] or "", params["until"] or "")
    if day and not (since or until or params["full"]):
        since = until = day
    raise_to_try_again(harvest_sources(batch, run_id, params["full"], since=since, until=until), last)


def stage(batch: list[str], run_id: str) -> None:
    """Stage a batch; what is new waits for its gates."""
    from transforms.stage import prepare_sources

    prepare_sources(batch, run_id)


def gate(chosen: Mapping[str, list[list[str]]] | None, run_id: str) -> None:
    """Take what was staged of all batches through the gates; nothing where nothing was chosen."""
    from transforms.stage import pass_gates

    found = [source_id for batches in (chosen or {}).values() for batch in batches for source_id in batch]
    if found:
        pass_gates(found, run_id)


def skip_unless_staged(run_id: str) -> None:
    """Skip the task unless the run staged anything: else the catalogue need not be built again.

    Raises:
        AirflowSkipException: nothing was staged.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from warehouse.outcome import of_run

    if not any(outcome.stage == "stage" for outcome in of_run(run_id)):
        raise AirflowSkipException("nothing new was staged")


@contextmanager
def without_retry() -> Iterator[None]:
    """What stages found wrong fails the task for good: asking again moves no gate.  Other faults are tried again.

    Raises:
        AirflowFailException: in place of `StageFailedError`, with its message.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from warehouse.outcome import StageFailedError

    try:
        yield
    except StageFailedError as error:
        raise AirflowFailException(str(error)) from error


def check(chosen: Mapping[str, list[list[str]]], run_id: str) -> None:
    """Raise for what a run left undone, after every source had its turn."""
    from warehouse.outcome import raise_for_run

    with without_retry():
        raise_for_run(run_id, chosen)

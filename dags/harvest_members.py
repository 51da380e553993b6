"""Harvest the members' feeds and stage what is new, batch by batch; a bad source never stops another.

`harvest_members` takes what is due, each hour; by hand all sources, or those of the parameters.  A task that is
tried again asks only what this run has not finished.  `backfill_members` fetches the changes of single days again
(`airflow backfill create --dag-id backfill_members --from-date … --to-date …`); by its schedule it does nothing.
"""

from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, TaskGroup, task, task_group

from harvesters.pools import harvesting
from operations import batches
from operations.dag_settings import HARVEST

DAYS = CronDataIntervalTimetable("@daily", timezone="UTC")


def wire(by_day: bool) -> None:
    """Choose → by pool, batches side by side: harvest → stage; all gates; announce what is new, and check."""

    @task
    def choose(params: Any = None, dag_run: Any = None) -> dict[str, list[list[str]]]:
        return batches.choose(params, dag_run.run_type, by_day)

    @task
    def of_pool(chosen: Any, pool: str) -> Any:
        return chosen[pool]

    @task
    def harvest(batch: Any, params: Any = None, run_id: Any = None, ti: Any = None, **context: Any) -> None:
        day = f"{context['data_interval_start']:%Y-%m-%d}" if by_day else ""
        batches.harvest(batch, run_id, params, day, last=ti.try_number > ti.max_tries)

    @task(pool="stage", trigger_rule="all_done")
    def stage(batch: Any, run_id: Any = None) -> None:
        batches.stage(batch, run_id)

    @task(pool="stage", trigger_rule="all_done")
    def gate(chosen: Any, run_id: Any = None) -> None:
        batches.gate(chosen, run_id)

    @task(outlets=[Asset("calis://staged")], trigger_rule="all_done")
    def announce(run_id: Any = None) -> None:
        batches.skip_unless_staged(run_id)

    @task(trigger_rule="all_done")
    def check(chosen: Any, run_id: Any = None) -> None:
        batches.check(chosen, run_id)

    (gates := gate(chosen := choose())) >> [announce(), check(chosen)]
    for name in harvesting():

        @task_group(group_id="batch")
        def each(batch: Any, pool: str = name) -> None:
            harvest.override(pool=pool)(batch) >> stage(batch)

        with TaskGroup(name):
            each.expand(batch=of_pool(chosen, name)) >> gates


for dag_id, schedule in {"harvest_members": "@hourly", "backfill_members": DAYS}.items():
    with DAG(dag_id, schedule=schedule, doc_md=__doc__, **HARVEST):
        wire(by_day=schedule is DAYS)

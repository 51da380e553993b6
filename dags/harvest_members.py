"""Harvest the members' feeds and stage what is new.  Run by hand: all sources, or those named in `sources`."""

from typing import Any

from airflow.sdk import Asset, Param, dag, task

STAGED = Asset("calis://staged")
MOST_BATCHES = 64


@dag(
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    params={
        "sources": Param([], type="array", items={"type": "string"}, description="source ids; none means all"),
        "full": Param(False, type="boolean", description="harvest everything, not only what changed"),
    },
    doc_md=__doc__,
    tags=["calis"],
)
def harvest_members() -> None:
    """Batches of sources → harvest each → stage each."""

    @task
    def choose(params: Any = None, dag_run: Any = None) -> list[list[str]]:
        from harvesters import registry, schedule

        chosen = registry.load().chosen(params["sources"])
        if getattr(dag_run, "run_type", "") == "scheduled":
            chosen = tuple(source for source in chosen if schedule.is_due(source))
        return registry.batches(chosen, MOST_BATCHES)

    @task(max_active_tis_per_dagrun=4)
    def harvest(batch: list[str], params: Any = None, run_id: Any = None) -> list[str]:
        from harvesters.harvest import harvest_sources

        harvest_sources(batch, run_id, full=params["full"])
        return batch

    @task(max_active_tis_per_dagrun=4)
    def stage(batch: list[str], run_id: Any = None) -> None:
        from transforms.stage import stage_sources

        stage_sources(batch, run_id)

    @task(outlets=[STAGED])
    def announce() -> None:
        """What is staged is there for the catalogue."""

    @task
    def check(run_id: Any = None) -> None:
        # fails the run after every source had its turn; what is staged goes on all the same
        from warehouse.outcome import of_run, raise_for_faults

        raise_for_faults(of_run(run_id))

    stage.expand(batch=harvest.expand(batch=choose())) >> [announce(), check()]


harvest_members()

"""Build the union catalogue from everything that is staged; runs when new staged data has landed."""

from typing import Any

from airflow.sdk import Asset, dag, task

from operations.notices import tell

STAGED, CATALOG = Asset("calis://staged"), Asset("calis://catalog")


@dag(
    schedule=[STAGED],
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell},
    doc_md=__doc__,
    tags=["calis"],
)
def build_catalog() -> None:
    """One task: keys → collapse → block → score → components → bibs."""

    @task(outlets=[CATALOG])
    def build(run_id: Any = None) -> None:
        from transforms.catalog import build as build_union

        build_union(run_id)

    build()


build_catalog()

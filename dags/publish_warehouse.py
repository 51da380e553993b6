"""Publish the catalogue and its marts as one DuckDB file, and the pages; runs when the catalogue is built.

It holds when a gate fails: among them, when the last harvest of too many sources failed.  How many in a hundred
may have says `quality/gates.csv`, or the Airflow Variable `calis_failed_percent`.
"""

from typing import Any

from airflow.sdk import Asset, Variable, dag, task

from operations.batches import without_retry
from operations.notices import tell

CATALOG = Asset("calis://catalog")


@dag(
    schedule=[CATALOG],
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell},
    doc_md=__doc__,
    tags=["calis"],
)
def publish_warehouse() -> None:
    """Publish behind the gates → pages."""

    @task
    def publish(run_id: Any = None) -> None:
        from warehouse.outcome import raise_for_faults
        from warehouse.publish import publish as publish_file

        limit = Variable.get("calis_failed_percent", default=None)
        with without_retry():
            raise_for_faults(publish_file(run_id, None if limit is None else float(limit)))

    @task
    def report(run_id: Any = None) -> None:
        from quality.feedback import feedback
        from quality.report import report as write_pages

        feedback(run_id)  # first, since the pages offer the packages
        write_pages(run_id)

    publish() >> report()


publish_warehouse()

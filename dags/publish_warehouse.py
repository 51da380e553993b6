"""Publish the catalogue and its marts as one DuckDB file, and the pages; runs when the catalogue is built."""

from typing import Any

from airflow.sdk import Asset, dag, task

CATALOG = Asset("calis://catalog")


@dag(schedule=[CATALOG], catchup=False, max_active_runs=1, doc_md=__doc__, tags=["calis"])
def publish_warehouse() -> None:
    """Publish behind the gates → pages."""

    @task
    def publish(run_id: Any = None) -> None:
        from warehouse.outcome import raise_for_faults
        from warehouse.publish import publish as publish_file

        raise_for_faults(publish_file(run_id))

    @task
    def report(run_id: Any = None) -> None:
        from quality.report import report as write_pages

        write_pages(run_id)

    publish() >> report()


publish_warehouse()

"""Remove pseudonyms of readers that are older than the Airflow Variable `calis_retention_months` says, each week.

36 months where there is no such Variable.  Events and counts stay.
"""

from typing import Any

from airflow.sdk import Variable, dag, task

from operations.notices import tell

MONTHS = 36


@dag(
    schedule="@weekly",
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell},
    doc_md=__doc__,
    tags=["calis"],
)
def retain_readers() -> None:
    """One task: raw, staged and catalogue files without old pseudonyms."""

    @task(pool="stage")
    def retain() -> Any:
        from transforms.usage.retention import retain as remove

        return remove(int(Variable.get("calis_retention_months", default=MONTHS)))

    retain()


retain_readers()

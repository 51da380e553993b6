"""What the harvesting DAGs are set to: their parameters, and until when a run must have ended."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from operations.notices import late, tell

_DATE: Any = {"type": ["null", "string"], "pattern": r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$"}
_NAMES: Any = {"type": "array", "items": {"type": "string"}}
PARAMS = {
    "sources": Param([], description="source ids; with no members, all", **_NAMES),
    "members": Param([], description="members, for all their sources", **_NAMES),
    "full": Param(False, type="boolean", description="everything, not only what changed"),
    "since": Param(None, description="only what changed since then (UTC): 2026-11-01", **_DATE),
    "until": Param(None, description="only what changed until then, inclusive", **_DATE),
}
LONGEST = timedelta(hours=12)  # that a run may take
HARVEST: Any = {
    "max_active_runs": 1,
    "params": PARAMS,
    "default_args": {"on_failure_callback": tell},
    "deadline": DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, LONGEST, SyncCallback(late)),
    "tags": ["calis"],
}

"""The settings for PostgreSQL and Celery that the README gives are those that Airflow and its executor take."""

import os
import re
import subprocess
import sys

import pytest

from operations import local_airflow
from warehouse import lake

SHOW = """
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.providers.celery.executors.celery_executor_utils import app

print(type(ExecutorLoader.get_default_executor()).__name__)
print(conf.get("database", "sql_alchemy_conn"))
print(app.conf.broker_url)
print(app.conf.result_backend)
print(conf.get("core", "execution_api_server_url"))
"""


def test_the_documented_settings_load(lake_home):
    pytest.importorskip("airflow.providers.celery", reason="no Celery (pip install -e '.[dev]')")
    text = (lake.CHECKOUT / "README.md").read_text("utf-8")
    settings = dict(re.findall(r"(AIRFLOW__\w+?__\w+)=(\S+)", text))
    assert {"AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__API__HOST"} <= settings.keys()
    local_airflow.airflow_home().mkdir(parents=True)
    (local_airflow.airflow_home() / "jwt.secret").write_text(
        "a secret of the test, long enough to sign with", "utf-8"
    )
    environment = os.environ | local_airflow.environment() | settings
    told = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=environment,
        cwd=lake.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-5:] == [
        "CeleryExecutor",
        settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
        settings["AIRFLOW__CELERY__BROKER_URL"],
        settings["AIRFLOW__CELERY__RESULT_BACKEND"],
        settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"],
    ]

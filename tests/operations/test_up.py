"""`calis up`: Airflow for the browser, behind a password, and nothing left when it is stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from operations import local_airflow
from tests import consortium


def processes_of(home: Path) -> list[str]:
    """The processes whose environment names this lake."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"CALIS_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_up_asks_for_a_password_and_leaves_no_process(lake_home):
    lake_home.mkdir()
    port = consortium.free_port()
    command = [Path(sys.executable).with_name("calis"), "up", "--port", str(port)]
    environment = os.environ | {"CALIS_HOME": str(lake_home), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        printed = re.fullmatch(
            rf"Airflow is at (http://127\.0\.0\.1:{port})   user: admin   password: (\S+)\n", line
        )
        assert printed, line
        address, password = printed.groups()
        assert httpx.get(f"{address}/api/v2/dags").status_code == 401
        login = httpx.post(f"{address}/auth/token", json={"username": "admin", "password": password})
        bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
        dags = httpx.get(f"{address}/api/v2/dags", headers=bearer).json()
        assert {dag["dag_id"] for dag in dags["dags"]} == set(local_airflow.DAGS)
        assert json.loads((lake_home / "airflow" / "passwords.json").read_text("utf-8")) == {"admin": password}
        assert len(processes_of(lake_home)) > 4
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert processes_of(lake_home) == []

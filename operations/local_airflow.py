"""Airflow on this machine: its home below the lake, the DAGs run without a scheduler, and `calis up`."""

import hashlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import httpx

from harvesters import pools
from warehouse import lake

RUN = ("harvest_members", "build_catalog", "publish_warehouse")  # one after the other
DAGS = (*RUN, "backfill_members", "retain_readers")
PORT = 8080
COMPONENTS = ("scheduler", "dag-processor", "triggerer", "api-server")
START_SECONDS = 120
log = logging.getLogger("calis")


class AirflowError(Exception):
    """Airflow did not start, or a DAG failed."""


def airflow_home() -> Path:
    """Airflow's own folder: metadata database, logs, secret and passwords."""
    return lake.home() / "airflow"


def environment() -> dict[str, str]:
    """What Airflow's processes need to find this checkout, its configuration and the lake."""
    return {
        "AIRFLOW_HOME": str(airflow_home()),
        "AIRFLOW_CONFIG": str(lake.CHECKOUT / "airflow.cfg"),
        "CALIS_CHECKOUT": str(lake.CHECKOUT),
        "CALIS_HOME": str(lake.home()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONWARNINGS": "ignore",
    }


def prepare() -> None:
    """Make Airflow's folder, its signing secret, its database and its pools, once for each version of them.

    What an operator has changed in a pool since stays, until `pools.csv` changes.

    Raises:
        AirflowError: one of Airflow's commands failed.
    """
    home = airflow_home()
    home.mkdir(parents=True, exist_ok=True)
    secret = home / "jwt.secret"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(64))
    database = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
    migrated = home / f"migrated-{version('apache-airflow')}{_short(database)}"
    if not migrated.exists():
        _airflow("db", "migrate")
        migrated.touch()
    wanted = {pool.name: {"slots": pool.slots, "description": pool.description} for pool in pools.load().values()}
    text = json.dumps(wanted, indent=1)
    made = home / f"pools{_short(database)}.json"
    if not made.exists() or made.read_text("utf-8") != text:
        with lake.replacing_file(made) as scratch:
            scratch.write_text(text, "utf-8")
            _airflow("pools", "import", str(scratch))


def _short(database: str) -> str:
    """What tells the databases that a home was used with apart; "" for the one within it."""
    return f"-{hashlib.sha256(database.encode()).hexdigest()[:12]}" if database else ""


def command(arguments: list[str]) -> NoReturn:
    """Become Airflow's own command, with this checkout's configuration and lake."""
    prepare()
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], os.environ | environment())


def _airflow(*arguments: str) -> None:
    command = [sys.executable, "-m", "airflow", *arguments]
    result = subprocess.run(command, env=os.environ | environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        said = f"{result.stdout[-2000:]}{result.stderr[-2000:]}"
        raise AirflowError(f"airflow {' '.join(arguments[:2])} failed:\n{said}")


def run_dags(sources: list[str], full: bool) -> list[str]:
    """Run the three DAGs one after the other in this process, without a scheduler.

    A harvest in which some sources failed is followed by the catalogue of the others, as in the scheduler.

    Returns:
        What did not succeed, one line each; empty when all did.

    Raises:
        AirflowError: the DAGs do not load.
    """
    prepare()
    # a task that fails would wait ten minutes here, where nobody waits for it
    os.environ.update(
        environment() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "0"}
    )
    warnings.filterwarnings("ignore", message="Using `httpx`")  # between Airflow and its web framework
    from airflow.dag_processing.dagbag import DagBag  # reads its configuration when it is imported

    bag = DagBag(lake.CHECKOUT / "dags")
    if bag.import_errors or set(bag.dags) != set(DAGS):
        raise AirflowError(f"the DAGs do not load: {bag.import_errors or sorted(bag.dags)}")
    faults = []
    for dag_id in RUN:
        conf = {"sources": sources, "full": full} if dag_id == "harvest_members" else {}
        dag = bag.dags[dag_id]
        dag.deadline = None  # nobody is told here, and Airflow would take its definition for the name of one
        run = dag.test(run_conf=conf)
        if run.state == "success":
            continue
        failed = {task.task_id for task in run.get_task_instances() if task.state == "failed"}
        faults.append(f"DAG {dag_id} ended as {run.state}; failed tasks: {', '.join(sorted(failed))}")
        if failed != {"check"}:
            break
    return faults


def up(port: int = PORT) -> None:
    """Start Airflow for the browser, print where it is, and stop every process when asked to.

    Args:
        port: of 127.0.0.1, where the pages and the interface for tasks will be.

    Raises:
        AirflowError: it is not healthy after two minutes, or a component ended by itself.
    """
    _require_free(port)
    prepare()
    address = f"http://127.0.0.1:{port}"
    env = os.environ | environment()
    env |= {"AIRFLOW__API__PORT": str(port), "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/"}
    logs = airflow_home() / "logs"
    logs.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    processes = []
    try:
        for component in COMPONENTS:
            with (logs / f"{component}.log").open("ab") as output:
                command = [sys.executable, "-m", "airflow", component]
                processes.append(
                    subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
                )
        _wait_until_healthy(processes, address)
        passwords = json.loads((airflow_home() / "passwords.json").read_text("utf-8"))
        print(f"Airflow is at {address}   user: admin   password: {passwords['admin']}")
        print("Stop it with Ctrl-C.", flush=True)
        while all(process.poll() is None for process in processes):
            time.sleep(1)
        raise AirflowError(f"a component of Airflow ended by itself; see {logs}")
    except KeyboardInterrupt:
        print("stopping …")
    finally:
        _stop(processes)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise AirflowError(f"port {port} of 127.0.0.1 is in use; stop what uses it, or say --port") from error


def _wait_until_healthy(processes: list[subprocess.Popen[bytes]], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise AirflowError(f"a component of Airflow did not start; see {airflow_home() / 'logs'}")
        try:
            health = httpx.get(f"{address}/api/v2/monitor/health", timeout=5).json()
            if all(part["status"] in ("healthy", None) for part in health.values()) and (
                health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"
            ):
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        time.sleep(1)
    raise AirflowError(f"Airflow is not healthy after {START_SECONDS} s; see {airflow_home() / 'logs'}")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End each component and all that it started: each leads a process group of its own."""
    for first, grace in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        for process in processes:
            try:
                os.killpg(process.pid, first)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and any(_group_lives(process.pid) for process in processes):
            for process in processes:
                process.poll()
            time.sleep(0.2)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

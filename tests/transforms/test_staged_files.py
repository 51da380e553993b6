"""A batch goes to disk the same way whether one process does all of it or helpers share the work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.marc_records import build
from transforms import team
from transforms.detect import Hints
from transforms.parse import Part
from transforms.staged_files import Batch, PartsLostError, StagedFiles
from transforms.team import HelperError
from warehouse import lake, writers

PATIENCE = 300  # seconds that a helper may take to start on a busy machine
FILES = [f"{name}.parquet" for name in ("bib", "field", "holding", "issue", "item", "rejected")]

# the second has no language and a bad ISBN, the third no title: findings of rules and of the reader
RECORDS = b"".join(
    build([("001", f"b{n}"), ("020", f"  \x1fa{isbn}"), ("245", f"00\x1fa{title}")])
    for n, (isbn, title) in enumerate([("9787503727900", "One"), ("9787503727901", "Two"), ("", "")])
)


def whole(part: Part) -> tuple[dict[str, pa.Table], int]:
    return part.tables, int(part.records["record_no"][0].as_py())


def with_help(marker: Path, owner: int, fault: str, part: Part) -> tuple[dict[str, pa.Table], int]:
    """As `whole`, but the owner of the work waits until a helper has begun, and a helper may fail."""
    if os.getpid() != owner:
        marker.write_text(str(os.getpid()))
        if fault == "raise":
            raise OSError("no space left on device")
        if fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    elif part.records["record_no"][0].as_py() >= 30:
        end = time.monotonic() + PATIENCE
        while not marker.exists() and time.monotonic() < end:
            time.sleep(0.01)
    return part.tables, int(part.records["record_no"][0].as_py())


def write(folder: Path, look, processes: int = 1, part_records: int = 4) -> tuple[dict[str, bytes], list[int]]:
    """The files of a batch in several parts, and the first record of each part."""
    folder.mkdir()
    contents = [(f"page-{n}.mrc", partial(BytesIO, RECORDS)) for n in range(20)]
    with StagedFiles(folder, Batch(contents, Hints(), "s", "2026", look, part_records), processes) as files:
        told = list(files.parts())
        files.finish()
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}, told


def helped(tmp_path: Path, name: str, fault: str = "") -> tuple[dict[str, bytes], list[int]]:
    marker = tmp_path / f"{name}-marker"
    try:
        return write(tmp_path / name, partial(with_help, marker, os.getpid(), fault), 2)
    finally:
        assert marker.exists(), "no helper took part"


def test_the_files_do_not_depend_on_who_wrote_them(tmp_path):
    alone, parts = write(tmp_path / "alone", whole)
    assert sorted(alone) == FILES
    assert parts == list(range(0, 60, 6))
    for name in ("shared", "again"):
        shared, told = helped(tmp_path, name)
        assert {name for name in alone if alone[name] != shared[name]} == set()
        assert told == parts
    issues = lake.read_table("quality.issue", [tmp_path / "shared/issue.parquet"])
    assert {"bad-isbn", "missing-title"} <= set(issues["rule"].to_pylist())
    numbers = issues["record_no"].to_pylist()
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(("fault", "error"), [("raise", OSError), ("die", HelperError)])
def test_what_fails_in_a_helper_is_raised_and_the_next_work_is_done(fault, error, tmp_path):
    with pytest.raises(error, match=r"no space left|ended with code -9"):
        helped(tmp_path, "failed", fault)
    assert helped(tmp_path, "next")[1] == list(range(0, 60, 6))


@pytest.mark.parametrize("table", ["field", "bib", "issue"])
def test_what_fails_while_writing_is_raised(table, tmp_path, monkeypatch):
    def full(writers, tables):
        if table in tables:
            raise OSError("no space left on device")

    monkeypatch.setattr(writers.TableWriters, "write", full)
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path / "out", whole)


def test_a_part_that_does_not_come_back_is_an_error(tmp_path, monkeypatch):
    real = team.Claims.__call__
    monkeypatch.setattr(team.Claims, "__call__", lambda claims: real(claims) + 1)  # nobody takes the first piece
    with pytest.raises(PartsLostError, match="stage the batch again"):
        write(tmp_path / "out", whole)


def gone(process: int) -> bool:
    """Whether a process ends in time."""
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{process}").exists() and time.monotonic() < end:
        multiprocessing.active_children()  # which lets go of those that ended
        time.sleep(0.05)
    return not Path(f"/proc/{process}").exists()


def test_helpers_that_are_dismissed_end(tmp_path):
    helped(tmp_path, "x")
    team.dismiss()
    assert gone(int((tmp_path / "x-marker").read_text()))


def test_a_helper_ends_with_the_process_that_wants_it(tmp_path):
    script = f"""
import time
from pathlib import Path
from tests.transforms import test_staged_files as t
if __name__ == "__main__":
    t.helped(Path({str(tmp_path)!r}), "x")
    print("ready", flush=True)
    time.sleep({PATIENCE})
"""
    (tmp_path / "work.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "work.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as owner:
        assert owner.stdout and owner.stdout.readline() == "ready\n"
        helper = int((tmp_path / "x-marker").read_text())
        assert Path(f"/proc/{helper}").exists()
        owner.kill()
    assert gone(helper)


def test_what_cannot_be_sent_is_an_error(tmp_path):
    helped(tmp_path, "first")
    with pytest.raises(HelperError, match="can't be sent"):
        write(tmp_path / "out", lambda part: (time.sleep(0.05), whole(part))[1], 2)


@pytest.mark.parametrize(("rows", "groups"), [(4, 10), (9, 5), (1000, 1)])
def test_small_groups_of_rows_become_fewer(rows, groups, tmp_path, monkeypatch):
    """Twenty pages make ten parts of six records, of which four are staged."""
    monkeypatch.setattr("transforms.staged_files.GROUP_ROWS", rows)
    write(tmp_path / "out", whole)
    assert pq.read_metadata(tmp_path / "out/bib.parquet").num_row_groups == groups
    for name in ("bib", "field"):
        numbers = lake.read_table(f"staged.{name}", [tmp_path / f"out/{name}.parquet"])["record_no"].to_pylist()
        assert numbers == sorted(numbers) and len(set(numbers)) == 40

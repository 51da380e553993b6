"""Tables go to disk the same way whether threads share the work or one processor does all of it."""

import os
from functools import partial
from io import BytesIO

import pyarrow.parquet as pq
import pytest

from tests.transforms.marc_records import build
from transforms.detect import Hints
from transforms.parse import staged_parts
from transforms.staged_files import StagedFiles
from warehouse import lake, writers

# the second has no language and a bad ISBN, the third no title: findings of rules and of the reader
RECORDS = b"".join(
    build([("001", f"b{n}"), ("020", f"  \x1fa{isbn}"), ("245", f"00\x1fa{title}")])
    for n, (isbn, title) in enumerate([("9787503727900", "One"), ("9787503727901", "Two"), ("", "")])
)


def write(folder, processors, monkeypatch) -> dict[str, bytes]:
    """The files of a batch in several parts."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    folder.mkdir()
    contents = [(f"page-{n}.mrc", partial(BytesIO, RECORDS)) for n in range(6)]
    monkeypatch.setattr("transforms.parse.PART_RECORDS", 4)
    with StagedFiles(folder, "s", "2026") as files:
        for part in staged_parts(contents, Hints(), "s", "2026"):
            files.write(part.tables)
        files.finish()
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_files_do_not_depend_on_how_many_processors_there_are(tmp_path, monkeypatch):
    alone = write(tmp_path / "alone", 1, monkeypatch)
    shared = write(tmp_path / "shared", 2, monkeypatch)
    assert sorted(alone) == [
        f"{name}.parquet" for name in ("bib", "field", "holding", "issue", "item", "rejected")
    ]
    assert {name for name in alone if alone[name] != shared[name]} == set()
    rules = {
        row["rule"] for row in lake.read_table("quality.issue", [tmp_path / "shared/issue.parquet"]).to_pylist()
    }
    assert {"bad-isbn", "missing-title"} <= rules


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("table", ["field", "bib", "issue"])
def test_what_fails_in_a_thread_is_raised(processors, table, tmp_path, monkeypatch):
    def full(writers, tables):
        if table in tables:
            raise OSError("no space left on device")

    monkeypatch.setattr(writers.TableWriters, "write", full)
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path / "out", processors, monkeypatch)


@pytest.mark.parametrize(("rows", "groups"), [(1, 3), (5, 2), (1000, 1)])
def test_small_parts_share_a_group_of_rows(rows, groups, tmp_path, monkeypatch):
    """Six pages make three parts of six records, of which four are staged."""
    monkeypatch.setattr(writers.TableWriters, "GROUP", rows)
    write(tmp_path / "out", 1, monkeypatch)
    assert pq.read_metadata(tmp_path / "out/bib.parquet").num_row_groups == groups
    for name in ("bib", "field"):
        numbers = lake.read_table(f"staged.{name}", [tmp_path / f"out/{name}.parquet"])["record_no"].to_pylist()
        assert numbers == sorted(numbers) and len(set(numbers)) == 12

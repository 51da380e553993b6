"""The command as people meet it: help with examples, one clear line for an error, answers as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import cli

VERBS = sorted(typer.main.get_command(cli.app).commands)


def calis(*arguments, home):
    command = [Path(sys.executable).with_name("calis"), *map(str, arguments)]
    environment = os.environ | {"CALIS_HOME": str(home), "COLUMNS": "200"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_verbs_that_stay():
    assert {"harvest", "stage", "catalog", "publish", "report", "run", "inspect", "evaluate", "query"} <= set(
        VERBS
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb):
    command = typer.main.get_command(cli.app).commands[verb]
    assert command.help
    assert f"calis {verb}" in command.epilog


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("harvest",), "members.csv, line 1"),
        (("catalog",), "calis sample"),
        (("query", "select 1"), "calis run"),
        (("evaluate",), "calis sample"),
    ],
)
def test_an_error_is_one_message_that_says_what_to_do(arguments, expected, lake_home):
    lake_home.mkdir()
    result = calis(*arguments, home=lake_home)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert expected in result.stdout + result.stderr


def test_inspect_as_json_and_as_parquet(tmp_path, lake_home, real):
    found = calis(
        "inspect", real / "unimarc" / "short.bnr.1993.mrc", "--json", "--out", tmp_path / "out", home=lake_home
    )
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert {"format", "encoding", "records", "accepted", "rejected", "issues"} <= set(answer)
    assert (answer["format"], answer["records"], answer["rejected"]) == ("unimarc", 10, 0)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{name}.parquet" for name in ("bib", "field", "holding", "item", "rejected", "issue")}


def test_the_file_itself_is_the_command_too():
    command = [sys.executable, cli.__file__, "dictionary"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "staged.bib" in result.stdout


def test_an_unknown_format_is_an_error_that_names_those_known(tmp_path, lake_home):
    file = tmp_path / "a.mrc"
    file.write_bytes(b"")
    result = calis("inspect", file, "--format", "klingon", home=lake_home)
    assert result.returncode == 1
    assert "cnmarc" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_of_no_known_format_is_named(tmp_path, lake_home):
    odd = tmp_path / "report.pdf"
    odd.write_bytes(b"%PDF-1.7 nothing of a library")
    result = calis("inspect", odd, home=lake_home)
    assert result.returncode == 1
    assert "report.pdf" in result.stderr
    assert "Traceback" not in result.stderr

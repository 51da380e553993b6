"""Judgements as people hand them in: good lines are kept, bad ones refused with line, reason and what to do."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from transforms import judgement
from transforms.judgement_csv import COLUMNS, JudgementError, moment, present, read, record, take_file

from .staged_records import HAMLET, register, stage

HEAD = ",".join(COLUMNS) + "\n"
GOOD = "a,000,b,000,must_join,李,2026-03-01T08:00:00+08:00,同一版次\n"


def file(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = path / "judgements.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def staged(lake_home: Path) -> Path:
    register({"a": "M1", "b": "M2"})
    stage("a", [HAMLET])
    stage("b", [HAMLET])
    return lake_home


def calis(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments], env={"COLUMNS": "250"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_good_line(staged: Path, tmp_path: Path, encoding: str) -> None:
    taken = take_file(file(tmp_path, HEAD + GOOD, encoding))
    (one,) = judgement.load()
    assert (one.pair, one.verdict, one.who, one.why) == (
        (("a", "000"), ("b", "000")),
        "must_join",
        "李",
        "同一版次",
    )
    assert one.judged_at == datetime(2026, 3, 1)
    assert (taken.unknown, taken.refused) == ([], [])
    assert bool(taken.notes) == (encoding == "gb18030")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,000,b,000,joined,Li,2026-03-01,x", "write must_join or must_not_join"),
        ("a,000,a,000,must_join,Li,2026-03-01,x", "the same record"),
        ("a,000,b,,must_join,Li,2026-03-01,x", "right_record_id is empty"),
        ("a,000,b,000,must_join,,2026-03-01, ", "who, why is empty"),
        ("a,000,b,000,must_join,Li,yesterday,x", "when 'yesterday' is no time"),
        ("a,000,b,000,must_join,Li,2999-01-01,x", "lies in the future"),
        ("a,000,b,000,must_join,Li,0001-01-01,x", "beyond the calendar"),
        ("a,000,b,000,must_join,Li,2026-03-01,x,y", "9 cells, not 8"),
        ("a,000,b,000,must_join,Li", "6 cells, not 8"),
        ('a,000,b,000,must_join,Li,2026-03-01,"x', "close the quotes"),
    ],
)
def test_a_bad_line_is_refused_by_number_and_the_others_kept(
    staged: Path, tmp_path: Path, line: str, reason: str
) -> None:
    taken = take_file(file(tmp_path, HEAD + "\n" + GOOD.replace("同一版次", '"同一,\n版次"') + line + "\n"))
    (refused,) = taken.refused
    assert refused.line == 5
    assert reason in refused.reason
    assert len(judgement.load()) == 1


def test_a_file_without_the_columns_is_refused(staged: Path, tmp_path: Path) -> None:
    with pytest.raises(JudgementError, match="no column verdict, who, when, why; its first line must be left_"):
        read(file(tmp_path, "left_source_id,left_record_id,right_source_id,right_record_id\n"))
    with pytest.raises(JudgementError, match="no column"):
        read(file(tmp_path, ""))
    with pytest.raises(JudgementError, match="is no CSV file"):
        read(file(tmp_path, '"left_source_id'))


def test_columns_may_come_in_another_order(staged: Path, tmp_path: Path) -> None:
    names, values = HEAD.strip().split(","), GOOD.strip().split(",")
    path = file(tmp_path, ",".join(names[::-1]) + "\n" + ",".join(values[::-1]) + "\n")
    assert [one.who for one in read(path)[0]] == ["李"]


def test_unknown_records_and_contradictions_are_kept_and_told(staged: Path, tmp_path: Path) -> None:
    lines = [
        "a,000,b,000,must_join,Li,2026-03-01,x",
        "b,000,c,9,must_join,Li,2026-03-02,x",
        "a,000,c,9,must_not_join,Li,2026-03-03,x",
    ]
    code, told = calis("judge", "import", file(tmp_path, HEAD + "\n".join(lines)))
    assert code == 0
    assert "c:9: no such record now" in told
    assert "b:000 = c:9, but a:000 ≠ c:9 (Li, 2026-03-03)" in told.replace("a:000 = b:000 = ", "b:000 = ")
    assert "left out: a:000 = b:000" in told
    assert len(judgement.load()) == 3


def test_times_without_a_zone_are_beijings() -> None:
    assert moment("2026-03-01T09:30") == datetime(2026, 3, 1, 1, 30)
    assert moment("2026-03-01T09:30Z") == datetime(2026, 3, 1, 9, 30)
    assert moment("2026/3/1") == moment("2026-03-01"), "as a spreadsheet writes it"
    assert moment("2026/03/01 09:30") == datetime(2026, 3, 1, 1, 30)


def test_two_lines_of_one_time_may_not_judge_a_pair_otherwise(staged: Path, tmp_path: Path) -> None:
    lines = [GOOD.strip(), "b,000,a,000,must_not_join,Wang,2026-03-01T08:00+08:00,x", GOOD.strip()]
    taken = take_file(file(tmp_path, HEAD + "\n".join(lines)))
    assert [(refused.line, "otherwise at the same time" in refused.reason) for refused in taken.refused] == [
        (3, True)
    ]
    assert [one.verdict for one in judgement.load()] == ["must_join"]


def test_records_that_are_there_are_found_however_the_answer_is_ordered(lake_home: Path) -> None:
    """Threads hand rows over in another order each time; sources and identifiers have to stay together."""
    names = [f"s{number}" for number in range(12)]
    register(dict.fromkeys(names, "M1"))
    for number, name in enumerate(names):
        stage(name, [HAMLET] * (number + 1))
    last = {(name, f"{number:03}") for number, name in enumerate(names)}
    assert all(present(last | {("s0", "011")}) == last for _ in range(25))


def test_a_record_id_may_hold_colons() -> None:
    assert record("c-repository:oai:demo:1") == ("c-repository", "oai:demo:1")
    for text in ("b1", ":b1", "a:"):
        with pytest.raises(JudgementError, match="SOURCE:RECORD"):
            record(text)


def test_the_command_decides_replaces_and_lists(staged: Path) -> None:
    assert calis("judge", "join", "a:000", "b:000", "--why", "[same] book", "--who", "Li")[0] == 0
    assert calis("judge", "separate", "b:000", "a:000", "--why", "two printings", "--who", "Wang")[0] == 0
    code, told = calis("judge", "list", "--json")
    assert code == 0
    assert [(row["verdict"], row["effect"], row["who"]) for row in json.loads(told)] == [
        ("must_not_join", "in_force", "Wang"),
        ("must_join", "replaced", "Li"),
    ]
    code, told = calis("judge", "list")
    assert "[same] book" in told and "已被取代" in told


def test_a_bad_file_leaves_with_one_and_names_the_line(staged: Path, tmp_path: Path) -> None:
    code, told = calis("judge", "import", file(tmp_path, HEAD + GOOD + "a,000,b\n"))
    assert code == 1
    assert "line 第 3 行: refused" in told
    assert len(judgement.load()) == 1
    assert calis("judge", "import", file(tmp_path, HEAD + GOOD))[1].count("already") == 1

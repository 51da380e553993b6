"""Every question of COOKBOOK.md runs on a published file and has the columns that stand below it."""

import re

import pytest

from tests.quality import small_lake
from warehouse import build, lake
from warehouse.publish import publish

BLOCKS = re.findall(
    r"^## (\d+)\. .+?\n\n```sql\n(.+?);\n```\n\n\| (.+?) \|$",
    (lake.CHECKOUT / "COOKBOOK.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        small_lake.make(tmp_path_factory.mktemp("lake"), patch)
        (outcome,) = publish("run-1")
        assert outcome.verdict == "complete", outcome.reason
        with build.open_published() as con:
            yield con


def test_there_are_questions_enough():
    assert [int(number) for number, _, _ in BLOCKS] == list(range(1, len(BLOCKS) + 1)) and len(BLOCKS) >= 25


@pytest.mark.parametrize("number, sql, columns", BLOCKS, ids=[number for number, _, _ in BLOCKS])
def test_a_question_runs_and_has_its_columns(published, number, sql, columns):
    assert [column[0] for column in published.execute(sql).description] == columns.split(" | ")

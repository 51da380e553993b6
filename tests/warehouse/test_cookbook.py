"""Every question of COOKBOOK.md has, on a small consortium, the answer that stands below it."""

import re

import pytest

from tests.consortium import lake_at
from warehouse import build, cookbook, marts

QUESTIONS = list(cookbook.questions(cookbook.COOKBOOK.read_text("utf-8")))
pytestmark = pytest.mark.xdist_group("published")


@pytest.fixture(scope="module")
def published(published_consortium):
    with lake_at(published_consortium), build.open_published() as con:
        yield con


def test_there_are_questions_enough():
    assert [question.number for question in QUESTIONS] == list(range(1, len(QUESTIONS) + 1))
    assert len(QUESTIONS) >= 25


@pytest.mark.parametrize("question", QUESTIONS, ids=[str(question.number) for question in QUESTIONS])
def test_a_question_has_its_answer(published, question):
    assert cookbook.answer(published, question.sql) == question.answer
    assert "\n\n0 rows" not in question.answer, "an answer without rows shows nothing"


def test_every_mart_is_asked_of():
    asked = " ".join(question.sql for question in QUESTIONS)
    # how sources are depends on the day
    names = [mart.full_name for mart in marts.load() if mart.schema == "marts"]
    assert [name for name in names if not re.search(rf"{name}\b", asked)] == ["marts.source_health"]

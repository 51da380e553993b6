"""What the published events tell of readers: nothing that fewer than five of a member have in common."""

import pytest

from schemas.tables import BY_NAME
from warehouse import engine, small_groups

LOAN = BY_NAME["catalog.loan"]


def published(*people):
    """(type, group, department) that stand in the file, for one loan each of readers given as (key, …)."""
    with engine.connect() as con:
        con.execute("CREATE SCHEMA catalog")
        con.register("contract", LOAN.empty())
        con.execute("CREATE TABLE memory.catalog.loan AS FROM contract")
        for number, (key, *said) in enumerate(people):
            con.execute(
                """INSERT INTO memory.catalog.loan BY NAME SELECT 'A' AS member_code, $1 AS event_id,
                $2 AS reader_key, $3 AS reader_type, $4 AS reader_group, $5 AS department""",
                [f"{number:03d}", key, *said],
            )
        source = small_groups.hidden(con, LOAN)
        return con.execute(
            f"SELECT reader_type, reader_group, department FROM {source} ORDER BY event_id"
        ).fetchall()


def readers(first, last, *said):
    return [(key, *said) for key in range(first, last + 1)]


def test_what_five_readers_share_is_told():
    people = readers(1, 5, "本科生", "undergraduate", "数学")
    assert published(*people) == [("本科生", "undergraduate", "数学")] * 5


def test_a_department_of_few_is_hidden_and_its_group_told_where_five_stand_behind_it():
    few = readers(1, 3, "教授", "teacher", "数学") + readers(4, 6, "讲师", "teacher", "数学")
    many = readers(7, 11, "讲师", "teacher", "物理")
    assert published(*few, *many) == [(None, "teacher", None)] * 6 + [("讲师", "teacher", "物理")] * 5


def test_what_was_hidden_of_a_group_does_not_tell_few_of_it():
    few, many = readers(1, 4, "教授", "teacher", "数学"), readers(7, 11, "讲师", "teacher", "物理")
    assert published(*few, *many) == [(None, None, None)] * 4 + [("讲师", "teacher", "物理")] * 5


def test_many_loans_of_one_reader_are_one_reader():
    assert published(*[(1, "教授", "teacher", None)] * 9) == [(None, None, None)] * 9


def test_where_no_reader_is_known_events_count():
    assert published(*[(None, "教授", "teacher", None)] * 4) == [(None, None, None)] * 4
    assert published(*[(None, "教授", "teacher", None)] * 5) == [("教授", "teacher", None)] * 5


def test_a_reader_who_moved_is_one_of_those_that_are_hidden():
    people = [*readers(1, 4, "教授", "teacher", "数学"), (1, "教授", "teacher", "物理")]
    assert published(*people) == [(None, None, None)] * 5


@pytest.mark.parametrize("name", ["loan", "request", "ppv", "ebook_loan"])
def test_every_event_of_readers_is_looked_at(name):
    assert small_groups.has_readers(BY_NAME[f"catalog.{name}"])


def test_headcounts_are_no_events():
    assert not small_groups.has_readers(BY_NAME["catalog.population"])

"""Every mart gives the rows that were worked out by hand."""

import duckdb
import pytest

from tests.warehouse import golden
from warehouse import marts

CASES = sorted(path.name for path in golden.FOLDER.iterdir())
SUFFIX = ".expected.csv"


@pytest.mark.parametrize("case", CASES)
def test_golden_rows(case):
    folder = golden.FOLDER / case
    checked = {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}
    assert checked
    with golden.opened(folder, set(checked)) as con:
        for name, path in checked.items():
            columns, wanted = golden.expected(path)
            assert golden.rows(con, name, columns) == wanted, path.name


def test_every_mart_has_golden_rows():
    checked = {path.name.removesuffix(SUFFIX) for path in golden.FOLDER.glob(f"*/*{SUFFIX}")}
    # some dimensions are seeds only
    assert {mart.full_name for mart in marts.load() if mart.schema == "marts"} == {
        name for name in checked if name.startswith("marts.")
    }


def test_seeds_agree_with_each_other():
    with golden.opened(golden.FOLDER / "nothing", {mart.full_name for mart in marts.load()}) as con:
        wrong = {
            "weights": """SELECT prefix FROM dim.class_discipline
                GROUP BY scheme, prefix HAVING abs(sum(weight) - 1) > 1e-9""",
            "disciplines": "FROM dim.class_discipline ANTI JOIN dim.discipline USING (discipline)",
            "main classes": """SELECT class FROM dim.class WHERE level = 1 AND scheme <> 'none'
                AND (scheme, class) NOT IN (SELECT (scheme, prefix) FROM dim.class_discipline)""",
            "parents": """SELECT class FROM dim.class WHERE level = 2
                AND (scheme, parent) NOT IN (SELECT (scheme, class) FROM dim.class WHERE level = 1)""",
            "regions": """SELECT province FROM seed('provinces') WHERE regional_centre NOT IN (
                SELECT centre_code FROM dim.centre WHERE level = 'regional')""",
        }
        assert {name: con.execute(sql).fetchall() for name, sql in wrong.items()} == {name: [] for name in wrong}
        levels = con.execute("SELECT level, count(*) FROM dim.centre GROUP BY level ORDER BY level").fetchall()
        assert levels == [("national", 4), ("provincial", 31), ("regional", 7)]


LENDING = {"marts.lender", "marts.item_use", "marts.bib_member", "dim.member", "dim.bib"}


@pytest.fixture(scope="module")
def lending():
    with golden.opened(golden.FOLDER / "lending", set(LENDING)) as con:
        golden.add_macro(con, "lenders")
        yield con


def test_lenders_are_ranked_with_the_parts_of_their_score(lending):
    parts = ["holding_part", "fill_part", "speed_part", "load_part", "region_part"]
    columns = ["rank", "member_code", "way", "score", *parts]
    # C has a copy that may not be lent; D reports holdings only; E has left; b0 was merged into b1
    assert golden.rows(lending, "marts.lenders('b0', 'A')", columns) == [
        ["1", "B", "loan", "0.704167", "1", "0.555556", "0.75", "0.25", "1"],
        ["2", "D", "ask", "0.575", "0.5", "0.6", "0.75", "0.666667", "0.3"],
        ["3", "C", "copy", "0.475", "0", "0.666667", "0.6", "0.333333", "0.7"],
    ]
    everyone = golden.rows(lending, "marts.lenders('b1', NULL)", ["member_code", "region_part"])
    assert sorted(everyone) == [["A", "0.3"], ["B", "0.3"], ["C", "0.3"], ["D", "0.3"]]


@pytest.mark.parametrize(
    ("bib", "wanted"),
    [
        ("b2", [["B", "electronic", "0", "0"]]),
        ("b3", []),  # nobody holds it
        ("b4", []),  # only the asking member does
        ("b5", [["D", "loan", "1", "1"], ["B", "copy", "1", "0"]]),  # B withdrew its copy
        ("b9", []),  # gone from the union
    ],
)
def test_who_can_lend_says_how(lending, bib, wanted):
    columns = ["member_code", "way", "items", "loanable_items"]
    assert golden.rows(lending, f"marts.lenders('{bib}', 'A')", columns) == wanted


def test_lenders_of_what_does_not_exist_are_an_error(lending):
    with pytest.raises(duckdb.Error, match="no bib was ever called 'nothing'"):
        golden.rows(lending, "marts.lenders('nothing', 'A')", ["rank"])
    with pytest.raises(duckdb.Error, match="no member has the code 'Z'"):
        golden.rows(lending, "marts.lenders('b1', 'Z')", ["rank"])

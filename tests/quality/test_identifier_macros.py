"""What rules call a valid number is what the columns take for one: two homes of a definition that must agree."""

from collections.abc import Callable
from itertools import product

import duckdb
import pyarrow as pa
import pytest
from stdnum import ismn

from quality.rules import FOLDER
from transforms import identifiers

Column = Callable[[pa.Array], pa.Array]
# what may follow each other in a number: mostly right, each place with something wrong too
PLACES: dict[str, tuple[Column, list[str]]] = {
    "doi": (
        identifiers.doi,
        [
            "|https://doi.org/|http://dx.doi.org/|doi:|DOI |x|数",
            "10.|10|11.",
            "1000|123|1234567890",
            "/| /|",
            "182|a/b|数| |",
        ],
    ),
    "lccn": (
        identifiers.lccn,
        ["|  |sn |agrx|N", "85|2001|1|８５", "-|| -|—", "000002|12|0000012", "|/AC/r86| //r85|x|-"],
    ),
    "oclc": (
        identifiers.oclc,
        [
            "|(OCoLC)|(OCLC) |(ocolc)|(DLC)",
            "|ocm|OCN|on|ON",
            "|0| 00",
            "5853149|0|123456789012345|12a",
            "|\\\\| x",
        ],
    ),
    "calis": (
        identifiers.calis,
        ["|CAL|cal|(CALIS)|CALX", "| |-| - |:", "012000518979|01200051897|0120005189790|O12000518979", "| |x"],
    ),
    "ubsn": (
        identifiers.ubsn,
        [
            "|统一书号：|书号| |x",
            "10019|18019|1019|019|１００１９",
            "·|.|-|•| · |:|",
            "1234|１２３４|123456|",
            "| a|9|-1",
        ],
    ),
    "cn": (
        identifiers.cn_serial,
        ["|CN|cn |ＣＮ|x", "11|10|82|99|16|１１", "-| - |—|－|", "1234|123|12345|１２３４", "|/G2|/g2| / G|/2|G"],
    ),
}


@pytest.fixture(scope="module")
def macros():
    con = duckdb.connect()
    con.execute((FOLDER / "macros.sql").read_text("utf-8"))
    yield con
    con.close()


def valid(con: duckdb.DuckDBPyConnection, kind: str, texts: list[str]) -> list[bool]:
    con.register("given_texts", pa.table({"n": range(len(texts)), "text": texts}))
    return [row[0] for row in con.execute(f"SELECT {kind}_is_valid(text) FROM given_texts ORDER BY n").fetchall()]


@pytest.mark.parametrize("kind", PLACES)
def test_the_rule_and_the_column_agree(kind: str, macros: duckdb.DuckDBPyConnection) -> None:
    column, places = PLACES[kind]
    texts = ["".join(parts) for parts in product(*(place.split("|") for place in places))]
    taken = column(pa.array(texts)).is_valid().to_pylist()
    assert 10 < sum(taken) < len(texts) / 2  # both kinds are there
    found = zip(texts, taken, valid(macros, kind, texts), strict=True)
    assert [text for text, in_column, by_rule in found if in_column != by_rule] == []


@pytest.mark.parametrize(
    "text",
    [
        "979-0-2306-7118-7",
        "979-0-2306-7118-8",
        "M-2306-7118-7",
        "M230671187",
        "9790260000438",
        "9791000000008",
        "M-1",
        "",
    ],
)
def test_ismn_is_what_the_reference_says(text: str, macros: duckdb.DuckDBPyConnection) -> None:
    assert valid(macros, "ismn", [text]) == [ismn.is_valid(text)]

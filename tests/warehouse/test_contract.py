"""What DuckDB wrote is checked as what we write is."""

import duckdb
import pytest

from warehouse import contract

RENT = {"member_code": "'A'", "source_id": "'a'", "row_key": "1::UBIGINT", "year": "2024::INTEGER",
        "platform": "'P'", "package": "NULL::VARCHAR", "cost_cents": "7::BIGINT", "currency": "'CNY'"}  # fmt: skip


def written(tmp_path, columns):
    file = tmp_path / "cost.parquet"
    listed = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    duckdb.sql(f"COPY (SELECT {listed} FROM range(200000)) TO '{file}' (FORMAT parquet)")
    return file


def test_a_file_that_is_as_its_contract_says(tmp_path):
    contract.check_file("catalog.cost", written(tmp_path, RENT))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("member_code", "CASE WHEN range < 199999 THEN 'A' END", "member_code: 1 nulls"),
        ("cost_cents", "7.5::DOUBLE", "cost_cents double"),
        ("more", "1", "more int32"),
    ],
)
def test_one_that_is_not(tmp_path, column, value, said):
    with pytest.raises(contract.LakeError, match=f"catalog.cost.*{said}"):
        contract.check_file("catalog.cost", written(tmp_path, RENT | {column: value}))

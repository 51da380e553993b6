"""What is generated is fresh, and what is declared is whole."""

import re

from schemas.tables import TABLES
from warehouse import lake
from warehouse.dictionary import markdown


def test_the_dictionary_is_fresh():
    written = (lake.CHECKOUT / "DATA_DICTIONARY.md").read_text("utf-8")
    assert written == markdown(), "DATA_DICTIONARY.md is stale: run `make docs`"


def test_every_table_and_column_is_explained_in_both_languages():
    for table in TABLES:
        assert table.grain
        assert re.search(r"[一-鿿]", table.chinese), table.full_name
        assert set(table.key) <= set(table.schema.names), table.full_name
        for column in table.columns:
            assert column.english, f"{table.full_name}.{column.name}"
            assert re.search(r"[一-鿿]|ISBN|MARC", column.chinese), f"{table.full_name}.{column.name}"


def test_no_column_is_declared_twice():
    for table in TABLES:
        assert len(set(table.schema.names)) == len(table.schema.names), table.full_name

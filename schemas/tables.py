"""Every table of the exchange.

A table is declared once, in the module of its layer; the Arrow schema that each writer must match, the comments in
the published DuckDB file and DATA_DICTIONARY.md come from there.  A new column is added there and in the crosswalk
of each format that has it (`schemas/crosswalks/`), nowhere else.
"""

from schemas import catalog, quality, staged, usage
from schemas.columns import Table

BY_NAME = {
    table.full_name: table
    for module in (staged, catalog, quality, usage)
    for table in vars(module).values()
    if isinstance(table, Table)
}
TABLES = tuple(BY_NAME.values())

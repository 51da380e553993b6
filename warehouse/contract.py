"""Tables on disk as their contracts in `schemas/` say: checked when they are written, and read together."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import BY_NAME

PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 1}
GROUP_ROWS = 122_880  # of a group of rows, as DuckDB has them: groups are read side by side
# The record index is read as a whole by each catalogue, and most of its values are there once: this halves the
# time that it takes, and the file is smaller.
OTHERWISE = {
    "staged.record": {
        "compression": "snappy",
        "compression_level": None,
        "use_dictionary": ["source_id", "batch_id"],
    }
}


class LakeError(Exception):
    """Data on disk is not as its contract says, or a name can't be a folder's."""


def conform(name: str, table: pa.Table) -> pa.Table:
    """The table cast to its contract.

    Raises:
        LakeError: a column is missing or superfluous, has another type, or is null where it may not be.
    """
    schema = BY_NAME[name].schema
    if set(table.column_names) != set(schema.names):
        missing = sorted(set(schema.names) - set(table.column_names))
        extra = sorted(set(table.column_names) - set(schema.names))
        raise LakeError(f"{name}: missing columns {missing}, superfluous columns {extra}")
    try:
        table = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, ValueError) as error:
        raise LakeError(f"{name}: {error}") from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise LakeError(f"{name}.{field.name}: {table.column(field.name).null_count} nulls, none allowed")
    return table


def check_file(name: str, file: Path) -> None:
    """Check a Parquet file that DuckDB wrote as `conform` does a table; of lists not whether they are null.

    Raises:
        LakeError: its columns or their types are not those of the contract, or one is null where it may not be.
    """
    schema, told = BY_NAME[name].schema, pq.read_metadata(file)
    written = told.schema.to_arrow_schema()
    if [(field.name, field.type) for field in written] != [(field.name, field.type) for field in schema]:
        raise LakeError(f"{name}: the columns {[f'{field.name} {field.type}' for field in written]} were written")
    required = {field.name for field in schema if not field.nullable}
    for group in map(told.row_group, range(told.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in required and (nulls := column.statistics.null_count):
                raise LakeError(f"{name}.{column.path_in_schema}: {nulls} nulls, none allowed")


def written(name: str) -> dict[str, Any]:
    """How a table is written: what `pyarrow.parquet` takes."""
    return PARQUET | OTHERWISE.get(name, {})


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write one table of the contract into a folder of a partition, as `<table>.parquet`."""
    file = folder / f"{BY_NAME[name].name}.parquet"
    pq.write_table(conform(name, table), file, row_group_size=GROUP_ROWS, **written(name))


def read_table(name: str, files: list[Path]) -> pa.Table:
    """Read files of one table together; no files give an empty table."""
    if not files:
        return BY_NAME[name].empty()
    schema = BY_NAME[name].schema
    return pa.concat_tables([pq.read_table(file, schema=schema) for file in files])

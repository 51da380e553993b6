"""Files of staged tables, written group by group while a batch is parsed, and put together."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import BY_NAME
from warehouse import lake


class TableWriters:
    """A Parquet writer for each of some tables, so that each file exists even when it stays empty.

    Strings that come by dictionary are written by dictionary, which takes a fraction of the time; everything
    else plain.  Only record numbers get statistics: no one searches a batch by anything else.  What is written at
    once is a group of rows; `regroup` makes fewer of small ones.
    """

    def __init__(self, folder: Path, names: Iterable[str]):
        self._folder = folder
        self._tables = {BY_NAME[name].name: BY_NAME[name] for name in names}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> "TableWriters":
        return self

    def __exit__(self, *details: object) -> None:
        self.finish(*self._tables)

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        if name not in self._writers:
            plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
            if pa.schema(plain) != self._tables[name].schema:
                raise lake.LakeError(f"{name}: the columns are not those of its contract: {schema}")
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet",
                schema,
                use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
                column_encoding={f.name: "DELTA_BINARY_PACKED" for f in schema if f.type == pa.int32()},
                write_statistics=["record_no"],
                store_schema=False,  # it would hold the dictionaries, which are no part of the contract
                write_batch_size=1 << 16,  # longer batches and pages make a tenth less work of many short values
                max_rows_per_page=1 << 20,
                **lake.PARQUET,
            )
        return self._writers[name]

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append rows to the tables named; they must match their contracts, or have dictionaries for strings."""
        for name, table in tables.items():
            if len(table):
                self._writer(name, table.schema).write_table(table)

    def finish(self, *names: str) -> None:
        """Complete these files, so that they can be read."""
        for name in names:
            if name in self._tables:
                self._writer(name, self._tables[name].schema).close()
                del self._tables[name]


def regroup(path: Path, contract: str, rows: int) -> None:
    """Write a staged file anew if its groups of rows are small: each costs time and memory wherever it is read.

    Args:
        path: the file, in order of records.
        contract: full name of its table.
        rows: of a group, but for the last; a file that has half as many on average stays as it is.
    """
    metadata = pq.read_metadata(path)
    if metadata.num_row_groups < 2 or metadata.num_rows * 2 >= metadata.num_row_groups * rows:
        return
    folder = path.with_suffix("")
    folder.mkdir()
    with pq.ParquetFile(path) as file, TableWriters(folder, [contract]) as writers:
        for batch in file.iter_batches(rows):
            writers.write({path.stem: pa.Table.from_batches([batch]).cast(BY_NAME[contract].schema)})
    (folder / path.name).replace(path)
    folder.rmdir()

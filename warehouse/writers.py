"""Files of staged tables, written group by group while a batch is parsed."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import BY_NAME
from warehouse import lake


class TableWriters:
    """A Parquet writer for each of some tables, so that each file exists even when it stays empty.

    Strings that come by dictionary are written by dictionary, which takes a fraction of the time; everything
    else plain.  Only record numbers get statistics: no one searches a batch by anything else.  Rows wait until
    there are enough for a group, since each costs time, and memory until the file is complete.
    """

    GROUP = 4_000  # rows of a group, at least

    def __init__(self, folder: Path, names: Iterable[str]):
        self._folder = folder
        self._tables = {BY_NAME[name].name: BY_NAME[name] for name in names}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in self._tables}

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
                **lake.PARQUET,
            )
        return self._writers[name]

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append rows to the tables named; they must match their contracts, or have dictionaries for strings."""
        for name, table in tables.items():
            if len(table):
                self._writer(name, table.schema)
                self._waiting[name].append(table)
                if sum(map(len, self._waiting[name])) >= self.GROUP:
                    self._flush(name)

    def _flush(self, name: str) -> None:
        """Write the rows that wait as one group."""
        if tables := self._waiting[name]:
            whole = pa.concat_tables(tables).unify_dictionaries() if len(tables) > 1 else tables[0]
            self._waiting[name] = []
            self._writers[name].write_table(whole)

    def finish(self, *names: str) -> None:
        """Complete these files, so that they can be read."""
        for name in names:
            if name in self._tables:
                self._flush(name)
                self._writer(name, self._tables[name].schema).close()
                del self._tables[name]

"""Personal data to be planted in usage files, and every byte that was written, to look for it."""

import io
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import zstandard

from warehouse import engine

PLANTED = ("张三丰", "Zhang Sanfeng", "13812345678", "110105199001011234", "zhang@example.edu.cn", "RDR20240017")
NAME, LATIN, PHONE, IDENTITY, MAIL, CARD = PLANTED
MORE = f"{NAME},{LATIN},{PHONE},{IDENTITY},{MAIL}"
HEADS = "姓名,Name,手机,身份证号,备注"


def written(*folders: Path, but: Path) -> dict[str, bytes]:
    """Every file in the folders but what members delivered: its name and its bytes, with what is packed."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and but not in path.parents:
            content = path.read_bytes()
            if path.suffix == ".zst":
                content = zstandard.ZstdDecompressor().stream_reader(content).read()
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pydict()).encode()
            if path.suffix == ".duckdb":
                content += told(path)
            if path.suffix == ".zip":
                content += unpacked(content)
            found[str(path)] = content
    return found


def told(database: Path) -> bytes:
    """Every row of every table and view of a DuckDB file, where bytes are packed, and its comments."""
    parts = []
    with engine.connect(database, read_only=True) as con:
        names = con.execute(
            """SELECT schema_name, table_name FROM duckdb_tables() UNION ALL
            SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"""
        ).fetchall()
        assert len(names) > 60
        for schema, name in names:
            parts.append(repr(con.execute(f'FROM "{schema}"."{name}"').fetchall()))
        parts.append(repr(con.execute("SELECT sql, comment FROM duckdb_tables()").fetchall()))
    return "".join(parts).encode()


def unpacked(archive: bytes) -> bytes:
    """The names and contents in a ZIP file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return b"".join(name.encode() + file.read(name) for name in file.namelist())


def leaks(files: dict[str, bytes]) -> list[tuple[str, str, bytes]]:
    """Where planted data stands, in the content of a file or in its name: UTF-8, GB18030, or escaped in JSON."""
    return [
        (name[-60:], one, content[max(0, content.find(data) - 30) :][:60])
        for name, content in files.items()
        for one in PLANTED
        for data in {one.encode(), one.encode("gb18030"), json.dumps(one)[1:-1].encode()}
        if data in content or data in name.encode()
    ]

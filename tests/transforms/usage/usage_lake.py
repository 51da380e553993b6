"""A lake with feeds of usage: put a file into a feed's folder, harvest and stage it, look at the rows."""

import io
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from harvesters import files, registry
from harvesters.landing import Harvested
from harvesters.wanted import Wanted
from transforms.usage import staging
from warehouse import engine, lake
from warehouse.outcome import Outcome

MEMBERS = """code,name_zh,name_en,kind,province,valid_from
A,示范甲大学图书馆,Demo Library A,undergraduate,11,2020-01-01
B,示范乙学院图书馆,Demo Library B,vocational,31,2020-01-01
"""


class Feeds:
    """The lake in `CALIS_HOME`, with the sources given as `id,member,format,delivery,quirks` lines."""

    def __init__(self, *sources: str):
        lake.registry().mkdir(parents=True, exist_ok=True)
        (lake.registry() / "members.csv").write_text(MEMBERS, "utf-8")
        self.write_sources(*sources)
        self._batches = 0

    @staticmethod
    def write_sources(*sources: str) -> None:
        """Write `sources.csv` anew."""
        lines = ["source_id,member_code,format,delivery,quirks,protocol,address"]
        for source in sources:
            lines.append(f"{source},folder,in/{source.split(',')[0]}")
            (lake.home() / "in" / source.split(",")[0]).mkdir(parents=True, exist_ok=True)
        (lake.registry() / "sources.csv").write_text("\n".join(lines) + "\n", "utf-8")

    def harvest(self, source_id: str, files_: dict[str, bytes | str]) -> tuple[str, Harvested]:
        """Put files into the folder of a feed and land them; the batch and how it ended."""
        for name, content in files_.items():
            data = content.encode() if isinstance(content, str) else content
            (lake.home() / "in" / source_id / name).write_bytes(data)
        self._batches += 1
        batch_id = f"b{self._batches}"
        return batch_id, files.harvest(registry.load().source(source_id), batch_id, Wanted())

    def stage(self, source_id: str, batch_id: str) -> Outcome:
        """Stage a landed batch, without its gates."""
        from harvesters import landing

        outcome = Outcome("stage", source_id, batch_id, "run")
        landed = landing.manifest(source_id, batch_id)
        with lake.replacing_folder(lake.staged_batch(source_id, batch_id)) as folder:
            staging.stage(registry.load().source(source_id), outcome, landed, folder)
        outcome.require_balance()
        assert sum(row["received"] for row in landed) == outcome.received
        return outcome

    def take(self, source_id: str, files_: dict[str, bytes | str]) -> Outcome:
        """Harvest and stage."""
        batch_id, harvested = self.harvest(source_id, files_)
        assert harvested.verdict == "complete", harvested
        return self.stage(source_id, batch_id)


def rows(sql: str) -> list[tuple[Any, ...]]:
    """The answer of the lake."""
    with engine.open_lake() as con:
        return con.execute(sql).fetchall()


def counts(outcome: Outcome) -> tuple[int, int, int, int, int]:
    """Received, staged, rejected, deleted, unchanged."""
    return outcome.received, outcome.staged, outcome.rejected, outcome.deleted, outcome.unchanged


def workbook(*sheets: list[list[Any]], merged: str = "") -> bytes:
    """An Excel file: numbers stay numbers, the rest is text."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as book:
        names = [f"Sheet{n}" for n in range(1, len(sheets) + 1)]
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        packages = "http://schemas.openxmlformats.org/package/2006"
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-'
            'officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packages}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            f'spreadsheetml.sheet.main+xml"/>{parts}</Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" Type="{rels}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{rels}"><sheets>{listed}</sheets></workbook>'
        )
        targets = "".join(
            f'<Relationship Id="r{n}" Type="{rels}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packages}/relationships">{targets}</Relationships>',
        )
        for n, sheet in enumerate(sheets, 1):
            body = "".join(f"<row r='{y}'>{''.join(_cells(y, row))}</row>" for y, row in enumerate(sheet, 1))
            joined = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
            book.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData>{joined}</worksheet>',
            )
    return kept.getvalue()


def _cells(y: int, row: list[Any]) -> list[str]:
    found = []
    for x, value in enumerate(row):
        place = f"{chr(64 + x // 26) if x > 25 else ''}{chr(65 + x % 26)}{y}"
        if isinstance(value, int | float):
            found.append(f'<c r="{place}"><v>{value}</v></c>')
        elif value is not None:
            found.append(f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>')
    return found


def home(tmp_path: Path, monkeypatch: Any) -> None:
    """An empty lake."""
    monkeypatch.setenv("CALIS_HOME", str(tmp_path / "lake"))
    monkeypatch.delenv("CALIS_KEYS", raising=False)


def html_table(rows: list[list[Any]]) -> str:
    """Rows as a web application writes them into a table of HTML, the first as its header."""
    lines = []
    for n, row in enumerate(rows):
        tag = "td" if n else "th"
        lines.append(f"<tr>{''.join(f'<{tag}>{escape(str(value))}</{tag}>' for value in row)}</tr>")
    return "<table border=1>{}</table>".format("\n".join(lines))


def html_page(*tables: str, charset: str = "gb2312") -> str:
    """A page of HTML as .xls files hold it."""
    return (
        '<html xmlns:x="urn:schemas-microsoft-com:office:excel">\n<head><meta http-equiv=Content-Type '
        f'content="application/vnd.ms-excel; charset={charset}">'
        '<style>td {mso-number-format:"\\@"}</style></head>\n'
        f"<body>{'<br>'.join(tables)}</body></html>"
    )


def spreadsheet_2003(*sheets: list[list[Any]]) -> str:
    """A workbook in SpreadsheetML 2003: numbers stay numbers, None leaves its cell out."""
    main = "urn:schemas-microsoft-com:office:spreadsheet"
    body = "".join(
        f"<Worksheet><Table>{''.join(f'<Row>{_cells_2003(row)}</Row>' for row in sheet)}</Table></Worksheet>"
        for sheet in sheets
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        f'<Workbook xmlns="{main}" xmlns:ss="{main}"><Styles><Style ss:ID="s1"/></Styles>{body}</Workbook>'
    )


def _cells_2003(row: list[Any]) -> str:
    return "".join(
        f'<Cell ss:Index="{x}"><Data ss:Type="{"String" if isinstance(value, str) else "Number"}">'
        f"{escape(str(value))}</Data></Cell>"
        for x, value in enumerate(row, 1)
        if value is not None
    )

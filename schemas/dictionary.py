"""DATA_DICTIONARY.md, generated from the tables of `schemas/`; `make docs` writes it, a test keeps it fresh."""

from schemas.columns import Table
from schemas.tables import TABLES

LAYERS = {
    "raw": "Bytes as received, with a manifest. 原始数据。",
    "staged": "Member records parsed, decoded and normalised; a folder per source and batch. 成员馆数据。",
    "catalog": "The union catalogue. 联合目录。",
    "quality": "What the stages did and what the rules found. 质量数据。",
}


def _section(table: Table) -> str:
    key = ", ".join(table.key) or "none"
    lines = [
        f"### {table.full_name} ({table.chinese})",
        "",
        f"One row: {table.grain}. Key: {key}.",
        "",
        "| column | type | null | meaning | 含义 |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns:
        null = "no" if column.required else "yes"
        english = f"{column.english} (not published)" if column.private else column.english
        lines.append(f"| {column.name} | {column.type} | {null} | {english} | {column.chinese} |")
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The whole dictionary as Markdown, layer by layer."""
    parts = [
        "# Data dictionary 数据字典\n",
        "Generated from the tables of `schemas/` by `make docs`; don't edit it here. Times are UTC.\n",
    ]
    for layer, meaning in LAYERS.items():
        parts.append(f"## {layer}\n\n{meaning}\n")
        parts += [_section(table) for table in TABLES if table.layer == layer]
    return "\n".join(parts)

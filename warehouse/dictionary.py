"""DATA_DICTIONARY.md, generated from `schemas/` and `sql/`; `make docs` writes it, a test keeps it fresh."""

from schemas.columns import Table
from schemas.tables import TABLES
from warehouse import marts

LAYERS = {
    "raw": "Bytes as received, with a manifest. 原始数据。",
    "staged": "Member records parsed, decoded and normalised; a folder per source and batch. 成员馆数据。",
    "catalog": "The union catalogue. 联合目录。",
    "quality": "What the stages did and what the rules found. 质量数据。",
}
MADE = {
    "dim": "Dimensions: what facts are asked by. 维度表。",
    "marts": "Answers: a table a question, with the formula of each figure. 专题表：一表一问，公式见列说明。",
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


def _mart_section(mart: marts.Mart) -> str:
    lines = [
        f"### {mart.full_name} ({mart.name_zh})",
        "",
        f"{mart.english} {mart.chinese}",
        "",
        "| column | meaning | 含义 |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {english} | {chinese} |" for name, (english, chinese) in mart.columns.items()]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The whole dictionary as Markdown, layer by layer."""
    parts = [
        "# Data dictionary 数据字典\n",
        "Generated from `schemas/` and `warehouse/sql/` by `make docs`; don't edit it here. Times are UTC.\n",
    ]
    for layer, meaning in LAYERS.items():
        parts.append(f"## {layer}\n\n{meaning}\n")
        parts += [_section(table) for table in TABLES if table.layer == layer]
    made = sorted([*marts.load(), *marts.macros()], key=lambda mart: mart.full_name)
    for schema, meaning in MADE.items():
        parts.append(f"## {schema}\n\n{meaning}\n")
        parts += [_mart_section(mart) for mart in made if mart.schema == schema]
    return "\n".join(parts)

"""What `calis explain` prints for a person, in Chinese and English."""

from typing import Any

from operations import summary

BLOCK = "{rule} = {key!r}: {groups:,} groups 组"


def print_explanation(found: dict[str, Any]) -> None:
    """The verdict first, then what was said, compared and weighed."""
    console = summary.new_console()
    left, right, why = found["left"], found["right"], found["why"]
    verdict = "ONE BIB 同一书目" if found["together"] else "TWO BIBS 两条书目"
    console.print(f"{left['record']} ({left['bib_id']})\n{right['record']} ({right['bib_id']})", soft_wrap=True)
    console.print(f"{verdict}: {why['english']}\n{why['chinese']}\n", soft_wrap=True)
    _print_fields(found)
    _print_card(found)
    for veto in found["vetoes"]:
        console.print(f"veto 否决: {veto['rule']}: {veto['english']} {veto['chinese']}", soft_wrap=True)
    _print_compared(found)
    for conflict in found["conflicts"]:
        console.print(
            f"between the bibs 书目之间: {conflict['english']} {conflict['chinese']}: "
            f"{conflict['left_record']} {conflict['left'] or '–'} ≠ "
            f"{conflict['right_record']} {conflict['right'] or '–'}",
            soft_wrap=True,
        )
    for step in found["path"]:
        console.print(
            f"path 路径: {step['left']} = {step['right']} ({step['score']:.3f}, {step['rule']})", soft_wrap=True
        )
    for one in found["judgements"]:
        console.print(
            f"judgement 判定: {one['verdict']} ({one['effect']}), {one['who']}, {one['when']}: {one['why']}",
            soft_wrap=True,
        )


def _print_fields(found: dict[str, Any]) -> None:
    table = summary.new_table("Fields 字段", "", "", found["left"]["record"], found["right"]["record"])
    for field in found["fields"]:
        sign = "" if field["left"] == field["right"] else "≠"
        table.add_row(field["name"], sign, field["left"] or "–", field["right"] or "–")
    summary.new_console().print(table)


def _print_card(found: dict[str, Any]) -> None:
    columns = ("evidence 依据", "level 级", "weight 权重", "meaning", "含义", "left", "right")
    table = summary.new_table("\nScore card 评分明细", *columns, right=("weight 权重",))
    table.add_row("prior 基础", "", f"{found['prior']:+.2f}", "before any evidence", "无任何依据时", "", "")
    for line in found["evidence"]:
        values = (line["english"], line["chinese"], line["left"] or "–", line["right"] or "–")
        table.add_row(line["name"], line["level"], f"{line['weight']:+.2f}", *values)
    console = summary.new_console()
    console.print(table)
    total = found["prior"] + sum(line["weight"] for line in found["evidence"])
    limits = found["thresholds"]
    console.print(
        f"sum 合计 {total:+.2f}, score 得分 {found['score']:.3f} "
        f"(match from 合并 ≥ {limits['match']}, with other words in the title 题名用词不同 "
        f"≥ {limits['match_replaced']}, review from 审核 ≥ {limits['review']})"
    )


def _print_compared(found: dict[str, Any]) -> None:
    console = summary.new_console()
    row, blocks = found["compared"], found["blocks"]
    if row:
        console.print(f"compared 已比较: {row['decision']} ({row['rule']}, {row['score']:.3f})")
    elif not found["equal"]:
        console.print("not compared 未比较")
    for block in blocks["shared"]:
        cut = f", over the cap of {blocks['cap']} 超过上限" if block["cut"] else ""
        console.print(f"block 块: {BLOCK.format(**block)}{cut}", soft_wrap=True)
    if not blocks["shared"]:
        console.print("no block in common 没有共同的块")
        for side in ("left", "right"):
            keys = ", ".join(f"{block['rule']} = {block['key']!r}" for block in blocks[side]) or "–"
            console.print(f"  {found[side]['record']}: {keys}", soft_wrap=True)

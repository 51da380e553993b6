"""What `calis judge` prints: what was taken in, what was refused and why, and the list of judgements."""

from collections.abc import Iterable

import typer

from operations import summary
from transforms import judgement
from transforms.judgement import Judgement
from transforms.judgement_csv import Taken

CHINESE = {
    judgement.IN_FORCE: "生效",
    judgement.REPLACED: "已被取代",
    judgement.DORMANT: "休眠",
    judgement.LEFT_OUT: "因矛盾未用",
    judgement.MUST_JOIN: "必须合并",
    judgement.MUST_NOT_JOIN: "不得合并",
}


def print_taken(taken: Taken) -> None:
    """Say what was taken in; what needs a person goes to standard error."""
    for note in taken.notes:
        typer.echo(f"note 提示: {note}", err=True)
    for refused in taken.refused:
        typer.echo(f"line 第 {refused.line} 行: refused 拒收: {refused.reason}", err=True)
    for record in taken.unknown:
        typer.echo(
            f"{':'.join(record)}: no such record now; the judgement is kept and sleeps until it comes "
            "(现无此记录；判定已保存，待记录出现后生效)",
            err=True,
        )
    for contradiction in taken.contradictions:
        typer.echo(f"contradiction 矛盾: {contradiction}", err=True)
    counts = {
        "taken in 录入": len(taken.new),
        "there already 已有": taken.already,
        "refused 拒收": len(taken.refused),
    }
    summary.print_mapping("Judgements 人工判定", counts)
    if taken.new:
        typer.echo("in force with the next build: calis catalog (下次构建生效)")


def rows(judgements: list[Judgement], effects: Iterable[str]) -> list[dict[str, str]]:
    """Judgements as they are listed, newest first."""
    listed = [
        {
            "left": ":".join(one.pair[0]),
            "right": ":".join(one.pair[1]),
            "verdict": one.verdict,
            "effect": effect,
            "who": one.who,
            "when": f"{one.judged_at:%Y-%m-%dT%H:%M:%SZ}",
            "why": one.why,
        }
        for one, effect in zip(judgements, effects, strict=True)
    ]
    return listed[::-1]


def print_list(listed: list[dict[str, str]]) -> None:
    """The judgements as a table."""
    if not listed:
        typer.echo("no judgements yet 尚无判定")
        return
    columns = ("left", "right", "verdict 判定", "effect 效力", "who 判定人", "when 时间", "why 理由")
    table = summary.new_table("Judgements 人工判定", *columns)
    for row in listed:
        shown = {**row, **{name: f"{row[name]} {CHINESE[row[name]]}" for name in ("verdict", "effect")}}
        table.add_row(*shown.values())
    summary.new_console().print(table)

"""`calis judge`: whether two records are one book, decided on the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer

from operations.quality_commands import AsJson, Who, Why

Rec = Annotated[str, typer.Argument(help="A record: SOURCE:RECORD.", metavar="REC")]

judge = typer.Typer(
    no_args_is_help=True,
    help="Decide whether two records are one book; decisions win over every score and outlast rebuilds.",
    epilog="Example: calis judge separate D11001-marc21:b1 D31001-cnmarc:c2 --why 'two printings'",
)


@judge.command("import", epilog="Example: calis judge import judgements.csv")
def judge_import(
    file: Annotated[Path, typer.Argument(help="CSV, as the review page writes it.", exists=True)],
) -> None:
    """Take in decisions: left_source_id,left_record_id,right_source_id,right_record_id,verdict,who,when,why."""
    from operations import judgements
    from transforms.judgement_csv import take_file

    taken = take_file(file)
    judgements.print_taken(taken)
    if taken.refused:
        raise typer.Exit(1)


def _judge(left: str, right: str, verdict: str, who: str, why: str) -> None:
    from operations import judgements
    from transforms.judgement_csv import record, take_pair

    judgements.print_taken(take_pair(record(left), record(right), verdict, who, why))


@judge.command("join", epilog="Example: calis judge join D11001-marc21:b1 D31001-cnmarc:c2 --why 'same printing'")
def judge_join(left: Rec, right: Rec, why: Why, who: Who) -> None:
    """Decide that two records are one book."""
    _judge(left, right, "must_join", who, why)


@judge.command("separate", epilog="Example: calis judge separate a:b1 b:c2 --why 'volume 1 and volume 2'")
def judge_separate(left: Rec, right: Rec, why: Why, who: Who) -> None:
    """Decide that two records are two books."""
    _judge(left, right, "must_not_join", who, why)


@judge.command("list", epilog="Example: calis judge list --json")
def judge_list(as_json: AsJson = False) -> None:
    """List all decisions, newest first, and whether they are in force."""
    from operations import judgements
    from transforms import judgement
    from transforms.judgement_csv import present

    everything = judgement.load()
    there = present({end for one in everything for end in one.pair})
    listed = judgements.rows(everything, judgement.resolve(everything, there).effects)
    if as_json:
        typer.echo(json.dumps(listed, ensure_ascii=False, indent=1))
    else:
        judgements.print_list(listed)

"""`calis gate` and `calis waive`: what staff decide, on the command line."""

import json
from datetime import date
from typing import Annotated, Any

import typer

Source = Annotated[str, typer.Argument(help="Source id.", metavar="SOURCE")]
Batch = Annotated[str, typer.Argument(help="Batch id; calis gate list names those that wait.", metavar="BATCH")]
Rule = Annotated[str, typer.Argument(help="Rule code, as on the page of rules.", metavar="RULE")]
Why = Annotated[str, typer.Option(help="The reason, for those who come after.")]
Who = Annotated[str, typer.Option(help="Who decides.", envvar=["CALIS_WHO", "USER"])]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

gate = typer.Typer(
    no_args_is_help=True,
    help="Batches that gates hold for staff: list, show, accept, reject.",
    epilog="Example: calis gate list",
)
waive = typer.Typer(
    no_args_is_help=True,
    help="Rules whose findings are shown for a source, but not counted.",
    epilog="Example: calis waive add no-price D11001-marc21 --until 2027-06-30 --why 'gifts'",
)


def _print(rows: list[dict[str, Any]], as_json: bool, empty: str) -> None:
    from operations import summary

    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
    elif rows:
        summary.print_rows(rows)
    else:
        typer.echo(empty)


# --- batches ---------------------------------------------------------------------------------------------


@gate.command("list", epilog="Example: calis gate list --all")
def gate_list(
    everything: Annotated[bool, typer.Option("--all", help="What was decided, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the batches that wait for a decision, and why each was held."""
    from quality import decisions

    rows = [
        {
            "source": one.source_id,
            "batch": one.batch_id,
            "records": one.received,
            "state": "held",
            "why": "; ".join(decisions.said(row) for row in one.failed),
        }
        for one in decisions.held()
    ]
    if everything:
        rows += [
            {
                "source": one.source_id,
                "batch": one.batch_id,
                "records": None,
                "state": f"{one.decision} by {one.who}, {one.decided_at:%Y-%m-%d %H:%M} UTC",
                "why": one.why,
            }
            for one in decisions.decisions()
        ]
    _print(rows, as_json, "no batch is held")


@gate.command("show", epilog="Example: calis gate show D11001-marc21 20261128T010203000000Z")
def gate_show(source: Source, batch: Batch, as_json: AsJson = False) -> None:
    """Show everything that the gates saw of a batch."""
    from quality import decisions

    rows = [
        {"success": "yes" if row["success"] else "NO", "about": row["about"], "seen": decisions.said(row)}
        for row in decisions.gates_of(source, batch)
    ]
    _print(rows, as_json, f"no gate saw a batch {batch} of source {source}")


@gate.command("accept", epilog="Example: calis gate accept D11001-marc21 20261128T010203000000Z --why 'moved'")
def gate_accept(source: Source, batch: Batch, why: Why, who: Who) -> None:
    """Make a held batch current; what waits behind it and the catalogue go on."""
    from quality import decisions

    _settled("current", decisions.accept(source, batch, who, why))


@gate.command("reject", epilog="Example: calis gate reject D11001-marc21 20261128T010203000000Z --why 'half'")
def gate_reject(source: Source, batch: Batch, why: Why, who: Who) -> None:
    """Set a held batch aside for good; its bytes stay in the raw layer."""
    from quality import decisions

    _settled("set aside", decisions.reject(source, batch, who, why))


def _settled(state: str, decided: Any) -> None:
    from operations import onward

    typer.echo(f"{decided.source_id} {decided.batch_id} is {state}; {onward.by_hand(decided)}")


# --- waivers ---------------------------------------------------------------------------------------------


@waive.command("add", epilog="Example: calis waive add no-price D11001-marc21 --until 2027-06-30 --why 'gifts'")
def waive_add(
    rule: Rule,
    source: Source,
    until: Annotated[str, typer.Option(help="The last day on which it holds, 2027-06-30.")],
    why: Why,
    who: Who,
) -> None:
    """Waive a rule for a source through a day."""
    from quality import decisions

    try:
        day = date.fromisoformat(until)
    except ValueError as error:
        raise typer.BadParameter(f"--until {until!r} is no date; write 2027-06-30") from error
    one = decisions.waive(rule, source, day, who, why)
    typer.echo(f"rule {one.rule} is waived for {one.source_id} through {one.until}; calis publish counts anew")


@waive.command("end", epilog="Example: calis waive end no-price D11001-marc21 --why 'prices came'")
def waive_end(rule: Rule, source: Source, why: Why, who: Who) -> None:
    """Let the findings of a rule count again for a source."""
    from quality import decisions

    decisions.end_waiver(rule, source, who, why)
    typer.echo(f"rule {rule} counts again for {source} from the next calis publish on")


@waive.command("list", epilog="Example: calis waive list --all --json")
def waive_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that ended or were replaced, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the waivers that hold."""
    from quality import decisions

    holding = decisions.in_force()
    rows = [
        {**vars(one), "decided_at": f"{one.decided_at:%Y-%m-%d %H:%M}", "in_force": one in holding}
        for one in (decisions.waivers() if everything else holding)
    ]
    _print(rows, as_json, "no rule is waived")

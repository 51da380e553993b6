"""The `calis` command: one verb per stage, and what people ask of the result."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from operations import airflow_commands, judge_commands, quality_commands
from operations.judge_commands import Rec
from operations.quality_commands import AsJson

app = typer.Typer(
    help="Harvest, match, check and publish the records of a library consortium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Sources = Annotated[list[str] | None, typer.Argument(help="Source ids; none means all.", show_default=False)]
Full = Annotated[bool, typer.Option("--full", help="Harvest everything, not only what changed.")]
Processes = Annotated[
    int | None, typer.Option(help="May work on a large file, 0.5 GB each; else one a core, 4 at most.", min=1)
]


def _run_id() -> str:
    from warehouse import lake

    return f"manual-{lake.new_batch_id()}"


def _finish(outcomes: list[Any]) -> None:
    """Print the outcomes and leave with 1 when any needs a person."""
    from operations import summary
    from warehouse.outcome import faults

    summary.print_outcomes(outcomes)
    if faults(outcomes):
        raise typer.Exit(1)


@app.command(epilog="Example: calis sample --records 80000")
def sample(
    file: Annotated[list[Path] | None, typer.Option("--file", help="MARC 21 file(s) to build from.")] = None,
    records: Annotated[int, typer.Option(help="About how many member records.")] = 80_000,
    seed: Annotated[int, typer.Option(help="Another seed gives another consortium.")] = 2026,
    port: Annotated[int, typer.Option(help="Port of its OAI-PMH provider on 127.0.0.1.")] = 8437,
    serve: Annotated[bool, typer.Option("--serve", help="Only serve what was built, until Ctrl-C.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Do nothing where a sample is there already.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Add a day of new, changed and deleted records.")
    ] = False,
) -> None:
    """Build the sample consortium of demo libraries from real records, or serve its OAI-PMH feeds."""
    from operations import sample_consortium

    if serve:
        sample_consortium.serve(port)
    elif update:
        typer.echo(sample_consortium.update(file))
    else:
        typer.echo(sample_consortium.build(file, records, seed, port, keep))


@app.command(epilog="Example: calis harvest D11001-marc21 --since 2026-01-01 --until 2026-01-31")
def harvest(
    sources: Sources = None,
    full: Full = False,
    since: Annotated[str, typer.Option(help="Only what changed since then (2026-01-31; UTC).")] = "",
    until: Annotated[str, typer.Option(help="Only what changed until then, inclusive.")] = "",
    reconcile: Annotated[bool, typer.Option("--reconcile", help="Compare all identifiers.")] = False,
) -> None:
    """Fetch what is new from the members' feeds into the raw layer."""
    from harvesters.harvest import harvest_sources
    from operations import sample_consortium

    wanted: Any = {"since": since, "until": until, "reconcile": reconcile}
    with sample_consortium.provider():
        _finish(harvest_sources(sources or [], _run_id(), full, **wanted))


@app.command(name="protocols", epilog="Example: calis protocols sru")
def show_protocols(
    names: Annotated[list[str] | None, typer.Argument(help="All, where none is named.")] = None,
) -> None:
    """Say what each protocol takes of a row of sources.csv: address, columns, quirks."""
    from harvesters import protocols

    if unknown := [name for name in names or [] if name not in protocols.BY_NAME]:
        raise typer.BadParameter(f"no protocol {unknown[0]!r}; there are {', '.join(protocols.BY_NAME)}")
    typer.echo("\n\n".join(protocols.described(name) for name in names or protocols.BY_NAME))


@app.command(epilog="Example: calis stage D11001-marc21 --again")
def stage(
    sources: Sources = None,
    again: Annotated[bool, typer.Option("--again", help="Stage every raw batch anew.")] = False,
    processes: Processes = None,
) -> None:
    """Parse, decode and check what was harvested."""
    from transforms import team
    from transforms.stage import stage_sources

    _finish(stage_sources(sources or [], _run_id(), again, processes or team.processes()))


@app.command(epilog="Example: calis catalog")
def catalog() -> None:
    """Match the staged records of all sources and build the union catalogue."""
    from transforms.catalog import build

    _finish(build(_run_id()))


@app.command(epilog="Example: calis publish")
def publish(
    failed_percent: Annotated[
        float | None, typer.Option(help="Of so many sources in a hundred the last harvest may have failed.")
    ] = None,
) -> None:
    """Check the catalogue at the gates and publish it as one DuckDB file."""
    from warehouse.publish import publish as publish_file

    _finish(publish_file(_run_id(), failed_percent))


@app.command(epilog="Example: calis report")
def report() -> None:
    """Write the quality pages from the published file."""
    from quality.report import report as write_pages

    _finish(write_pages(_run_id()))


@app.command(epilog="Example: calis feedback D11001")
def feedback(
    members: Annotated[list[str] | None, typer.Argument(help="Member codes; none means all.")] = None,
) -> None:
    """Write for each member what it has to mend, from the published file."""
    from quality.feedback import feedback as write_packages

    _finish(write_packages(_run_id(), members or []))


@app.command(epilog="Example: calis run    (the same through the Airflow DAGs: calis run --airflow)")
def run(
    sources: Sources = None,
    full: Full = False,
    airflow: Annotated[bool, typer.Option("--airflow", help="Through the DAGs, without a scheduler.")] = False,
) -> None:
    """Do all stages in order and print what was built."""
    from operations import local_airflow, pipeline, sample_consortium, summary
    from warehouse import lake

    begun = lake.now()
    with sample_consortium.provider():
        if airflow:
            faults = local_airflow.run_dags(sources or [], full)
        else:
            faults = pipeline.run(sources or [], _run_id(), full)
    summary.print_run(begun)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


@app.command(epilog="Example: calis up")
def up(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8080) -> None:
    """Start Airflow for the browser on 127.0.0.1 and print address and password; Ctrl-C stops all of it."""
    from operations import local_airflow, sample_consortium

    with sample_consortium.provider():
        local_airflow.up(port)


@app.command(epilog="Example: calis inspect export.mrc --out tables/")
def inspect(
    file: Annotated[
        Path,
        typer.Argument(help="Records in any format, plain, compressed or a zip.", exists=True, dir_okay=False),
    ],
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Write the staged tables as Parquet into this folder.")] = None,
    format: Annotated[str, typer.Option(help="As in sources.csv (marc21, cnmarc …); else found.")] = "auto",
    encoding: Annotated[str, typer.Option(help="Hint where the bytes leave a doubt.")] = "auto",
    holdings: Annotated[str, typer.Option(help="Holdings profile (schemas/crosswalks/holdings.csv).")] = "",
    processes: Processes = None,
) -> None:
    """Say what is in a file: format, encoding, counts, findings with examples."""
    from operations import summary
    from transforms import team
    from transforms.detect import Hints
    from transforms.inspect import inspect as look

    found = look(file, Hints(format, encoding, holdings), out, processes or team.processes())
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        summary.print_inspection(found)


@app.command(epilog="Example: calis rules --explain clc-syntax; calis rules --examples clc-syntax new-books.iso")
def rules(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files for --examples; else what is published.")
    ] = None,
    code: Annotated[str, typer.Option("--explain", help="Say all of this rule.")] = "",
    examples: Annotated[str, typer.Option(help="Show findings of this rule, with the fields at issue.")] = "",
    most: Annotated[int, typer.Option(help="So many examples at most.", min=1)] = 20,
    whole: Annotated[bool, typer.Option("--whole", help="Show all fields of the examples.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the record rules: code, severity, formats, what they speak of; explain one; or show what it finds."""
    from operations import listed_rules, rule_examples

    if files and not examples:
        raise typer.BadParameter("files go with --examples CODE")
    if examples:
        rule_examples.show(examples, files or [], most, whole, as_json)
    else:
        listed_rules.explain(code, as_json) if code else listed_rules.list_all(as_json)


@app.command(epilog="Example: calis evaluate --records a.mrc --pairs labels.csv --wrong wrong.csv")
def evaluate(
    records: Annotated[list[Path] | None, typer.Option(help="MARC files.", exists=True)] = None,
    pairs: Annotated[Path | None, typer.Option(help="CSV: id1,id2,label (id = 001).", exists=True)] = None,
    wrong: Annotated[Path | None, typer.Option(help="Write all wrong pairs into this CSV file.")] = None,
    most: Annotated[int, typer.Option(help="Of each kind so many wrong pairs are shown.", min=0)] = 10,
    as_json: AsJson = False,
) -> None:
    """Precision, recall and F1 of the matching, and its wrong pairs: of labelled pairs, or of the sample."""
    from operations import evaluated
    from transforms import evaluate as evaluation
    from transforms import wrong_pairs
    from warehouse import lake

    if bool(records) != bool(pairs):
        raise typer.BadParameter("--records and --pairs go together")
    if records and pairs:
        found = evaluation.evaluate(records, pairs)
    else:
        found = evaluation.evaluate_truth(lake.sample() / "truth.parquet")
    told = found.explained(None if wrong or as_json else most)
    if wrong:
        wrong_pairs.write(wrong, told)
    if as_json:
        typer.echo(json.dumps(found.figures | {"wrong": told}, ensure_ascii=False))
    else:
        evaluated.print_evaluation(found.figures, found.counts, told, most)


app.add_typer(judge_commands.judge, name="judge")
app.command(**airflow_commands.HEALTH)(airflow_commands.health)
app.command(**airflow_commands.AIRFLOW)(airflow_commands.airflow)
app.add_typer(quality_commands.gate, name="gate")
app.add_typer(quality_commands.waive, name="waive")


@app.command(epilog="Example: calis explain D11001-marc21:b1 D31001-cnmarc:c2")
def explain(left: Rec, right: Rec, as_json: AsJson = False) -> None:
    """Say why two records are, or aren't, one bib: evidence, vetoes, blocks, conflicts, judgements."""
    from operations import explained
    from transforms.explain import explain as look
    from transforms.judgement_csv import record

    found = look(record(left), record(right))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        explained.print_explanation(found)


@app.command(epilog="Example: calis export D31001-cnmarc --out cnmarc.mrc --encoding gb18030")
def export(
    out: Annotated[Path, typer.Option(help="File to write; replaced as a whole.")],
    sources: Sources = None,
    form: Annotated[str, typer.Option(help="iso2709 or marcxml; of the union also parquet.")] = "iso2709",
    encoding: Annotated[str, typer.Option(help="Of MARC: utf-8, where not given, or gb18030.")] = "",
    union: Annotated[bool, typer.Option("--union", help="The golden records of the union instead.")] = False,
    since: Annotated[
        str, typer.Option(help="Of the union: changes since a day (2026-11-24 in Beijing, included) or build.")
    ] = "",
    only: Annotated[str, typer.Option(help="Of the union: only what is cnmarc, or marc21.")] = "",
) -> None:
    """Write staged records again as they came in, or the union: golden records, or what changed in them."""
    from operations import summary
    from transforms.export import export as write
    from transforms.union_export import export_union

    if union and sources:
        raise typer.BadParameter("--union takes no sources: it is of all of them")
    if not union and (since or only):
        raise typer.BadParameter("--since and --only go with --union")
    if union:
        told = export_union(out, form, encoding, since, only)
    else:
        told = write(sources or [], out, form, encoding or "utf-8")
    problems = told.pop("problems")
    summary.print_mapping("Exported", told)
    for problem in problems:
        typer.echo(f"{problem['source_id']} {problem['record_id']}: {problem['reason']}", err=True)
    if told["refused"]:
        raise typer.Exit(1)


@app.command(epilog="Example: calis bib U4K7QZ3M2XWPA --json")
def bib(
    bib_id: Annotated[str, typer.Argument(metavar="ID", help="Any id that a bib ever had.")],
    as_json: AsJson = False,
) -> None:
    """Show a bib of the published union: values and who gave them, records, members, links, history."""
    from operations import summary
    from warehouse.one_bib import one_bib

    found = one_bib(bib_id)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1, default=str))
    else:
        summary.print_bib(found)


@app.command(epilog="Example: calis account D11001-ill --rows rows.csv")
def account(
    sources: Sources = None,
    rows: Annotated[Path | None, typer.Option(help="Write what became of each row into this CSV file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give account of every row of usage files: counted, told anew, told before, rejected and why."""
    from operations import summary
    from transforms.usage import account as accounts

    files, every = accounts.account(sources or [])
    if rows:
        accounts.write_rows(every, rows)
    summary.print_table(files, as_json)


@app.command(epilog="Example: calis retain --months 36")
def retain(
    months: Annotated[int, typer.Option(min=0, help="Age in months from which pseudonyms are removed.")],
) -> None:
    """Remove old pseudonyms of readers from raw, staged and catalogue files; events and counts stay."""
    from transforms.usage import retention

    removed = retention.retain(months)
    typer.echo("Pseudonyms removed: " + ", ".join(f"{layer} {count:,}" for layer, count in removed.items()))


@app.command(epilog='Example: calis query "select count(*) from catalog.bib"')
def query(
    sql: Annotated[str, typer.Argument(help="SQL for DuckDB; the file is opened read-only.")],
    as_json: AsJson = False,
) -> None:
    """Ask the published DuckDB file."""
    from operations import summary
    from warehouse.build import query as ask

    summary.print_table(ask(sql), as_json)


@app.command(epilog="Example: calis dictionary > DATA_DICTIONARY.md")
def dictionary() -> None:
    """Print the data dictionary, as it is in DATA_DICTIONARY.md."""
    from warehouse.dictionary import markdown

    sys.stdout.write(markdown())


@app.callback()
def main() -> None:
    """Set up logging on standard error."""
    from warehouse.progress import log_handler

    logging.basicConfig(level=logging.INFO, handlers=[log_handler()])


def entry() -> None:
    """The command's entry point: an expected error is one clear message; CALIS_TRACEBACK=1 shows where."""
    try:
        app()
    except Exception as error:
        if os.environ.get("CALIS_TRACEBACK"):
            raise
        typer.echo(f"error: {error}" if str(error) else f"error: {type(error).__name__}", err=True)
        typer.echo("(CALIS_TRACEBACK=1 shows where it happened)", err=True)
        sys.exit(1)


if __name__ == "__main__":
    entry()

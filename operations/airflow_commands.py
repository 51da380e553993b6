"""`calis health` and `calis airflow`: how the sources are, and Airflow's own command with our configuration."""

from typing import Annotated, Any

import typer

HEALTH: Any = {"epilog": "Example: calis health --json"}
AIRFLOW: Any = {
    "context_settings": {
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
    "epilog": "Example: calis airflow backfill create --dag-id backfill_members --from-date … --to-date …",
}


def health(
    everything: Annotated[bool, typer.Option("--all", help="Those that are good, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the sources that fail or are late: since when, why, and what to do."""
    from operations import summary
    from warehouse.health import source_health

    summary.print_health(source_health(), everything, as_json)


def airflow(arguments: Annotated[list[str], typer.Argument(help="As for the command airflow.")]) -> None:
    """Run Airflow's own command with our configuration: backfill, pools, connections, celery worker …"""
    from operations import local_airflow

    local_airflow.command(arguments)

"""All stages in order, in this process; what the DAGs do, without Airflow."""

from warehouse.outcome import faults


def run(sources: list[str], run_id: str, full: bool = False) -> list[str]:
    """Harvest, stage, catalog, publish, feedback, report.

    Sources that fail are left behind with their last good state.  A publication held at the gates leaves the
    last good file, and the pages are not written anew.

    Returns:
        What did not succeed, one line each; empty when all did.
    """
    from harvesters.harvest import harvest_sources
    from quality.feedback import feedback
    from quality.report import report
    from transforms import team
    from transforms.catalog import build
    from transforms.stage import stage_sources
    from warehouse.publish import publish

    all_faults = faults(harvest_sources(sources, run_id, full))
    all_faults += faults(stage_sources(sources, run_id, processes=team.processes()))
    for stage in (build, publish, feedback, report):
        found = faults(stage(run_id))
        all_faults += found
        if found:
            break
    return all_faults

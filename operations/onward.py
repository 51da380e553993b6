"""What follows a decision of staff: said in both languages, and in Airflow set going at once.

An accepted batch is new staged data, so Airflow hears of it as of any other: `build_catalog` is queued, and
publication and pages follow.  What landed behind a decided batch is staged by a run of `harvest_members` for its
source.  Judgements and waivers hold from the next build or publication: one is not made for each of them.
"""

import logging
from typing import Any, NamedTuple

from quality import decisions
from transforms.stage import waiting

STAGED, BUILD, HARVEST = "calis://staged", "build_catalog", "harvest_members"
log = logging.getLogger("calis")


class Text(NamedTuple):
    """A sentence in both languages."""

    zh: str
    en: str


OTHERS = {
    "judgement": Text("下次构建起生效", "it holds from the next build"),
    "waiver": Text("下次发布起生效", "it counts from the next publication"),
    "waiver/end": Text("下次发布起重新计入", "the rule counts again from the next publication"),
}


def by_hand(decided: decisions.Decision) -> str:
    """What is left to do after a decision on the command line, in English."""
    source_id, behind = decided.source_id, len(waiting(decided.source_id))
    steps = ["calis catalog", "calis publish", "calis feedback", "calis report"]
    if decided.decision == decisions.REJECT:
        steps = [f"calis harvest {source_id} asks again for what it should have brought"]
        if behind:
            steps.insert(0, f"calis stage {source_id} takes the {behind} batches that waited behind it")
        return "; ".join(steps)
    if behind:
        steps.insert(0, f"calis stage {source_id} (for {behind} that waited behind it)")
    return (
        "the catalogue takes it in when it is next built: in Airflow after the next harvest that brings anything, "
        f"by hand with {', '.join(steps)}"
    )


def queued(path: str, decided: dict[str, Any]) -> dict[str, str]:
    """Set going what follows a decision that the pages sent to `api/…`, and say what that is."""
    if path in OTHERS:
        return OTHERS[path]._asdict()
    try:
        told = [_build(decided)] if decided["decision"] == decisions.ACCEPT else []
        told += [_stage(decided)] if waiting(decided["source_id"]) else []
    except Exception:  # the decision is recorded and holds; what follows can be started by hand
        log.exception("nothing was queued after the decision on %s %s", decided["source_id"], decided["batch_id"])
        told = [_not_queued(BUILD)]
    told = told or [Text("下次采集时重新索取", "the next harvest asks for its records again")]
    return Text("；".join(text.zh for text in told), "; ".join(text.en for text in told))._asdict()


def _build(decided: dict[str, Any]) -> Text:
    """Tell Airflow of new staged data, for which `build_catalog` waits."""
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetModel
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == STAGED))
        dag = DagModel.get_current(BUILD, session=session)
        if asset is None or dag is None:
            return _not_queued(BUILD)
        if dag.is_paused:
            return Text(
                f"Airflow 中 {BUILD} 已暂停：启用并运行后才会进入联合目录",
                f"{BUILD} is paused in Airflow: the catalogue has it once somebody unpauses and runs it",
            )
        told = {name: decided[name] for name in ("source_id", "batch_id", "who", "why")}
        asset_manager.register_asset_change(asset=asset, extra=told, source_is_api=True, session=session)
    return Text(f"已排队：{BUILD}，随后发布并更新各页", f"queued: {BUILD}, then publication and these pages")


def _stage(decided: dict[str, Any]) -> Text:
    """Let Airflow stage what landed behind the batch."""
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    source_id = decided["source_id"]
    trigger_dag(
        HARVEST,
        triggered_by=DagRunTriggeredByType.UI,
        triggering_user_name=decided["who"],
        conf={"sources": [source_id]},
        note=f"what waited behind batch {decided['batch_id']}",
    )
    return Text(f"其后等待的批次由 {HARVEST} 入库", f"{HARVEST} stages what waited behind it")


def _not_queued(dag_id: str) -> Text:
    return Text(
        f"未能在 Airflow 排队：请运行 {dag_id}，或用 calis catalog 与 calis publish",
        f"could not be queued in Airflow: run {dag_id} there, or calis catalog and calis publish",
    )

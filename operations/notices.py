"""Notices of what went wrong in a DAG: by mail and to a webhook, through Airflow's own notifiers.

Each is sent where its Airflow connection exists: `calis_mail` (type smtp; in its extra `from_email`, and `to`, one
address or a list) and `calis_webhook` (type http; its host is the address).  Tasks call `tell` when they have
failed for good.  What is sent names the sources, since when they fail and what to do, in Chinese and English.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

log = logging.getLogger(__name__)

MAIL, WEBHOOK = "calis_mail", "calis_webhook"
MOST = 50  # sources that a notice lists
LONGEST = 2000  # characters of an error
WHAT = {
    "harvest_members": ("Harvest", "采集"),
    "backfill_members": ("Harvest of a day", "按日补采"),
    "build_catalog": ("Union catalogue", "联合目录构建"),
    "publish_warehouse": ("Publication", "发布"),
    "retain_readers": ("Retention", "读者假名清除"),
}
NEXT = {
    "build_catalog": (
        "The published file stays as it was. Read the task's log, then run the DAG again.",
        "已发布文件保持不变。请查看任务日志后重新运行。",
    ),
    "publish_warehouse": (
        "The last good file stays in place. Mend what the reason names, then run publish_warehouse again.",
        "上一次发布的文件仍然有效。请按原因处理后重新运行 publish_warehouse。",
    ),
    "retain_readers": (
        "Some old pseudonyms may still be there. Read the task's log, then run the DAG again.",
        "可能仍有过期的读者假名未清除。请查看任务日志后重新运行。",
    ),
}
OTHERWISE = (
    "The other sources were harvested and staged. Run it again for these sources (parameter sources).",
    "其他数据源已正常采集入库。处理后可用参数 sources 单独重新采集。",
)


@dataclass(frozen=True)
class Notice:
    """What is said; `sources` are rows of the mart `source_health`, those that failed in the run."""

    dag_id: str
    run_id: str
    task_id: str
    error: str
    sources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subject(self) -> str:
        """One line."""
        english, chinese = WHAT.get(self.dag_id, (self.dag_id, self.dag_id))
        if self.sources:
            count = len(self.sources)
            return f"[CALIS] {chinese}：{count} 个数据源未完成 | {english}: {count} source(s) not complete"
        return f"[CALIS] {chinese}失败 | {english} failed ({self.task_id})"

    def lines(self) -> list[tuple[str, str]]:
        """The text in Chinese and English, a pair each."""
        english, chinese = NEXT.get(self.dag_id, OTHERWISE)
        run = f"{self.run_id}, {self.task_id}"
        told = [(f"运行 {run}。{chinese}", f"Run {run}. {english}")]
        if not self.sources:
            return [*told, (f"原因：{self.error[:LONGEST]}", f"Reason: {self.error[:LONGEST]}")]
        for row in self.sources[:MOST]:
            name, since = f"{row['source_id']} ({row['member_code']})", row["failing_since"]
            late = ("，已逾期", ", late") if row["late"] else ("", "")
            if since:
                began = f"{since:%Y-%m-%d %H:%M} UTC"
                how = (
                    f"自 {began} 起失败，已 {row['failures']} 次",
                    f"failing since {began}, {row['failures']} time(s)",
                )
            else:
                how = f"入库结论 {row['stage_verdict']}", f"staging ended as {row['stage_verdict']}"
            chinese = f"{name}：{how[0]}{late[0]}。{row['advice_zh'] or ''}。"
            english = f"{name}: {how[1]}{late[1]}. {row['advice_en'] or ''}."
            told.append((chinese, f"{english} Reason 原因: {row['reason']}"))
        if (rest := len(self.sources) - MOST) > 0:
            told.append((f"另有 {rest} 个", f"and {rest} more: SELECT * FROM marts.source_health"))
        return told

    def text(self) -> str:
        """Plain text."""
        return "\n\n".join(f"{chinese}\n{english}" for chinese, english in self.lines())

    def html(self) -> str:
        """The same for a mail."""
        rows = "".join(f"<p>{escape(chinese)}<br>{escape(english)}</p>" for chinese, english in self.lines())
        return f"<html><body><h3>{escape(self.subject)}</h3>{rows}</body></html>"

    def payload(self) -> dict[str, Any]:
        """What a webhook is sent: a text as group robots of WeCom and DingTalk take it, and the facts."""
        names = ("source_id", "member_code", "state", "verdict", "failing_since", "failures", "late", "reason")
        rows = [{name: row[name] for name in (*names, "advice_en", "advice_zh")} for row in self.sources]
        for row in rows:
            row["failing_since"] = row["failing_since"] and f"{row['failing_since']:%Y-%m-%dT%H:%M:%SZ}"
        facts = {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "error": self.error[:LONGEST],
        }
        return {
            "msgtype": "text",
            "text": {"content": f"{self.subject}\n\n{self.text()}"},
            "subject": self.subject,
            **facts,
            "sources": rows,
        }


def notice(dag_id: str, run_id: str, task_id: str, error: str) -> Notice:
    """What there is to say of a task that failed, with the sources that failed in its run."""
    from warehouse.health import source_health
    from warehouse.outcome import NEEDS_A_PERSON, of_run

    last = {(o.stage, o.source_id): o.verdict for o in of_run(run_id) if o.stage in ("harvest", "stage")}
    bad = {name for (_, name), verdict in last.items() if verdict in NEEDS_A_PERSON}
    rows = [row for row in source_health().to_pylist() if row["source_id"] in bad] if bad else []
    rows.sort(key=lambda row: row["failing_since"] or datetime.max, reverse=True)  # what is new comes first
    return Notice(dag_id, run_id, task_id, error, rows)


def tell(context: Any) -> None:
    """Send the notices of a task that failed (`on_failure_callback`); that one can't be sent is only logged."""
    ti = context["ti"]
    error = str(context.get("exception") or "the task ended without a word; see its log")
    _send(ti.dag_id, ti.run_id, ti.task_id, error, context)


def late(context: Any) -> None:
    """Send the notices of a run that goes on after its deadline (`DeadlineAlert`).

    Airflow 3.3 gives such a callback only connections from the environment (`AIRFLOW_CONN_CALIS_MAIL`).
    """
    run, due = context["dag_run"], context["deadline"]["deadline_time"]
    error = f"运行应在 {due:%Y-%m-%d %H:%M} UTC 前结束，仍在进行 | it goes on, though it should have ended by then"
    _send(run["dag_id"], run["dag_run_id"], "deadline", error, context)


def _send(dag_id: str, run_id: str, task_id: str, error: str, context: Any) -> None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    told = None
    for name, send in ((MAIL, _mail), (WEBHOOK, _post)):
        try:
            connection = Connection.get(name)
            told = told or notice(dag_id, run_id, task_id, error)
            send(connection, told, context)
        except AirflowNotFoundException:
            log.info("no connection %s, so nothing is sent by it", name)
        except Exception:
            log.exception("the notice by %s could not be sent", name)


# Both are called without rendering: a reason may hold what a source has sent, and that is never a template.


def _mail(connection: Any, told: Notice, context: Any) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    to = connection.extra_dejson.get("to")
    if not to:
        raise ValueError(f'the extra of connection {MAIL} names nobody; add "to": "staff@example.edu.cn"')
    SmtpNotifier(to=to, subject=told.subject, html_content=told.html(), smtp_conn_id=MAIL).notify(context)


def _post(connection: Any, told: Notice, context: Any) -> None:
    from airflow.providers.http.notifications import HttpNotifier

    HttpNotifier(http_conn_id=WEBHOOK, json=told.payload()).notify(context)

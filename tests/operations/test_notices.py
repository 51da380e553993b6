"""What staff are told when a task has failed: by mail and webhook, to real servers."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from operations import notices
from tests.operations import mailbox
from tests.quality import small_lake
from warehouse import lake
from warehouse.outcome import Outcome


@pytest.fixture
def failed(lake_home):
    """A run in which one source failed the third time; its server sends what a template would take for its own."""
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text(small_lake.MEMBERS, "utf-8")
    (lake.registry() / "sources.csv").write_text(
        "source_id,member_code,protocol,address\na-opac,A,folder,a\nb-opac,B,folder,b\n", "utf-8"
    )
    now = lake.now()
    for hours, run_id in ((50, "run-1"), (26, "run-2"), (2, "run-3")):
        for source_id, verdict in (("a-opac", "complete"), ("b-opac", "failed")):
            outcome = Outcome(
                "harvest", source_id, lake.new_batch_id(now - timedelta(hours=hours)), run_id, verdict
            )
            outcome.started_at = now - timedelta(hours=hours)
            if verdict == "failed":
                outcome.reason = "HTTP 404: {{ 7 * 6 }} <b>nothing</b> is there"
            outcome.record()
            # what came was staged, which does not make the harvest good
            Outcome("stage", source_id, outcome.batch_id, run_id).record()
    return {
        "ti": SimpleNamespace(dag_id="harvest_members", run_id="run-3", task_id="check"),
        "exception": RuntimeError("1 outcome(s) need a person"),
    }


def test_mail_and_webhook_say_which_source_since_when_and_what_to_do(failed, monkeypatch):
    with mailbox.mail_server() as (port, mails), mailbox.webhook() as (hook_port, posts):
        for name, value in mailbox.connections(port, hook_port).items():
            monkeypatch.setenv(name, value)
        notices.tell(failed)
    (mail,), (post,) = mails, posts
    body = mail.get_body().get_content()
    assert mail["To"] == "staff@example.edu.cn"
    assert "1 个数据源未完成" in mail["Subject"]
    assert "1 source(s) not complete" in mail["Subject"]
    since = f"{lake.now() - timedelta(hours=50):%Y-%m-%d}"
    for text in (
        "b-opac (B)",
        f"自 {since}",
        f"failing since {since}",
        "3 time(s)",
        "索取新地址",
        "ask the member",
    ):
        assert text in body
        assert text in post["text"]["content"]
    assert "a-opac" not in body
    assert "{{ 7 * 6 }}" in body, "what a source sends is no template"
    assert "&lt;b&gt;nothing" in body
    assert post["msgtype"] == "text"
    (row,) = post["sources"]
    assert (row["source_id"], row["failures"], row["late"]) == ("b-opac", 3, True)


def test_without_connections_nothing_is_sent_and_nothing_fails(failed, caplog):
    caplog.set_level("INFO")
    notices.tell(failed)
    assert "no connection calis_mail" in caplog.text


def test_a_webhook_that_is_down_does_not_keep_the_mail_back(failed, monkeypatch, caplog):
    with mailbox.mail_server() as (port, mails):
        for name, value in mailbox.connections(port, webhook_port=1).items():
            monkeypatch.setenv(name, value)
        notices.tell(failed)
    assert len(mails) == 1
    assert "the notice by calis_webhook could not be sent" in caplog.text


def test_a_run_that_goes_on_after_its_deadline_is_told_of(failed, monkeypatch):
    run = {"dag_id": "harvest_members", "dag_run_id": "run-4"}
    with mailbox.webhook() as (port, posts):
        for name, value in mailbox.connections(webhook_port=port).items():
            monkeypatch.setenv(name, value)
        notices.late({"dag_run": run, "deadline": {"deadline_time": datetime(2026, 3, 1, 12)}})
    (post,) = posts
    assert (post["run_id"], post["task_id"]) == ("run-4", "deadline")
    assert "2026-03-01 12:00 UTC" in post["text"]["content"]


def test_many_sources_make_a_short_notice(failed):
    told = notices.notice("harvest_members", "run-3", "check", "x")
    many = notices.Notice("harvest_members", "run-3", "check", "x", told.sources * 120)
    assert many.text().count("b-opac") == 2 * notices.MOST
    assert "and 70 more" in many.text()


def test_a_batch_that_is_held_is_named_though_its_harvest_was_good(failed):
    held = Outcome(
        "stage", "a-opac", lake.new_batch_id(), "run-3", "held", reason="a-opac: held for staff: 10 percent"
    )
    held.record()
    told = notices.notice("harvest_members", "run-3", "check", "x")
    assert {row["source_id"] for row in told.sources} == {"a-opac", "b-opac"}
    assert "a-opac (A): staging ended as held. Its batch waits for a decision" in told.text()


def test_a_publication_that_is_held_gives_its_reasons(failed):
    told = notices.notice("publish_warehouse", "run-9", "publish", "held: not published, the last good file stays")
    assert "发布失败" in told.subject
    assert "the last good file stays" in told.text()

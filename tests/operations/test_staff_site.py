"""The staff site in a running Airflow: who may read, who may decide, and where decisions end up."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pyarrow.parquet as pq
import pytest

from operations import local_airflow
from quality import decisions
from quality.report import report
from tests import consortium
from tests.quality.arrivals import S, T, book, books, land, untitled
from tests.quality.browsing import SCREENSHOTS, browser, needs_chromium, page, serious_faults  # noqa: F401
from tests.transforms.staged_records import ANALYSIS, HAMLET, register, stage
from transforms import catalog, judgement
from transforms import stage as staging
from warehouse import lake
from warehouse.publish import publish

pytestmark = pytest.mark.xdist_group("airflow")  # or each worker starts one

DOUBTFUL = HAMLET | {"pub_year": 2000, "isbn": [], "publisher": None, "extent": None, "pub_place": "Londres"}
PAIR = {
    "left_source_id": "a-1",
    "left_record_id": "000",
    "right_source_id": "b-2",
    "right_record_id": "000",
    "verdict": "must_join",
    "why": "同一版次",
}
ROLES = ("viewer", "user", "op", "admin")
START_SECONDS = 300  # on a machine that does much else; it is up in fifteen
RUN_SECONDS = 600  # likewise; it takes ten


@pytest.fixture(scope="module")
def lake_of_pairs(tmp_path_factory):
    """A lake with a doubtful pair, published and reported on."""
    home = tmp_path_factory.mktemp("lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALIS_HOME", str(home))
        register({"a-1": "M1", "b-2": "M2", "s": "M3", "t": "M3"})
        stage("a-1", [HAMLET, *(ANALYSIS | {"volume_no": str(number)} for number in range(6))])
        stage("b-2", [DOUBTFUL])
        for source in (S, T):
            land(book(0, coded="980101s1998") + books(range(1, 60)), source)  # an 008 that is too short
            staging.stage(source, "run")
            land(books(range(100, 130)) + untitled(range(900, 910)), source)
            assert staging.stage(source, "run")[-1].verdict == "held"
        assert catalog.build("one")[-1].verdict == "complete"
        (outcome,) = publish("run")
        assert outcome.verdict == "complete", outcome.reason
        assert report("run")[0].verdict == "complete"
        yield home


@pytest.fixture(scope="module")
def airflow(lake_of_pairs):
    """The address of an api-server with a user of each role, and their passwords."""
    local_airflow.prepare()
    local_airflow._airflow("dags", "reserialize")  # as a scheduler does: so Airflow knows what waits for what
    address = f"http://127.0.0.1:{consortium.free_port()}"

    def answers():
        try:
            return httpx.get(f"{address}/api/v2/version", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    with component("api-server", address) as process:
        wait_until(answers, process, START_SECONDS)
        yield address, json.loads((local_airflow.airflow_home() / "passwords.json").read_text("utf-8"))


@contextmanager
def component(name, address):
    """One of Airflow's processes beside the api-server at this address."""
    env = os.environ | local_airflow.environment()
    env |= {
        "AIRFLOW__API__PORT": address.rpartition(":")[2],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
    }
    with (lake.home() / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", name], env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            local_airflow._stop([process])


def wait_until(true, process, seconds):
    deadline = time.monotonic() + seconds
    while not true():
        alive = process.poll() is None and time.monotonic() < deadline
        assert alive, "\n".join(log.read_text("utf-8")[-5000:] for log in lake.home().glob("*.log"))
        time.sleep(0.2)


@pytest.fixture
def as_role(airflow):
    """A client of the site that is signed in with a role."""
    address, passwords = airflow
    clients = []

    def signed_in(role):
        headers = bearer(address, passwords, role)
        clients.append(httpx.Client(base_url=f"{address}/data-quality/", headers=headers, timeout=60))
        return clients[-1]

    yield signed_in
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "index.html"),
        ("GET", "style.css"),
        ("GET", "members/M1.html"),
        ("GET", "no-such-page.html"),
        ("GET", "api/me"),
        ("GET", "docs"),
        ("GET", "openapi.json"),
        ("POST", "api/judgement"),
        ("POST", "api/batch"),
        ("POST", "api/waiver"),
        ("DELETE", "index.html"),
    ],
)
def test_anonymous_is_refused_everywhere(airflow, method, path):
    asked = {"json": PAIR} if method == "POST" else {}
    answer = httpx.request(method, f"{airflow[0]}/data-quality/{path}", timeout=60, **asked)
    assert answer.status_code == 401, answer.text


def test_every_role_reads_and_only_op_and_admin_may_decide(as_role):
    may = {}
    for role in ROLES:
        client = as_role(role)
        assert "联合目录质量" in client.get("index.html").text
        told = client.get("api/me").json()
        assert told["user"] == role
        may[role] = told["may_decide"]
    assert may == {"viewer": False, "user": False, "op": True, "admin": True}


def test_pages_say_that_they_are_served_and_forbid_what_is_not_theirs(as_role):
    answer = as_role("viewer").get("index.html")
    assert "<html data-served " in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["%2e%2e/union.duckdb", "members/..%2f..%2f..%2fregistry/members.csv"])
def test_nothing_beside_the_pages_is_served(as_role, path):
    answer = as_role("admin").get(path)
    assert answer.status_code == 404 and b"DUCK" not in answer.content and "valid_from" not in answer.text


@pytest.mark.parametrize(
    "path", ["a%00b.html", f"{'x' * 3000}.html", "members/", "%ff%fe", "<script>alert(1)</script>", "api/nothing"]
)
def test_an_address_that_is_none_is_answered_with_a_sentence(as_role, path):
    answer = as_role("viewer").get(path)
    assert answer.status_code == 404 and "没有这一页" in answer.text and "There is no such page" in answer.text
    assert "Traceback" not in answer.text and "<script" not in answer.text


@pytest.mark.parametrize("there", [(), ("style.css",), ("members",)])
def test_without_pages_or_with_half_of_them_it_says_what_to_run(as_role, there):
    """As before the first report, or where somebody copied only a part."""
    aside = lake.site().with_name("aside")
    lake.site().rename(aside)
    try:
        for name in there:
            (lake.site() / name).mkdir(parents=True)
        for path in ("index.html", "members/M1.html", "style.css"):
            answer = as_role("viewer").get(path)
            assert answer.status_code == 404 and "calis report" in answer.text and "Traceback" not in answer.text
    finally:
        shutil.rmtree(lake.site(), ignore_errors=True)
        aside.rename(lake.site())
    assert as_role("viewer").get("index.html").status_code == 200


def test_what_fails_inside_is_logged_and_told_without_a_traceback(as_role):
    broken = lake.home() / "decision" / "broken.parquet"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"no parquet")
    try:
        answer = as_role("op").get("api/me")
    finally:
        broken.unlink()
    assert answer.status_code == 500 and "the log of the api-server says where" in answer.json()["detail"]
    assert "Traceback" not in answer.text and "parquet" not in answer.text


def test_a_viewer_decides_nothing(as_role):
    for role in ("viewer", "user"):
        answer = as_role(role).post("api/judgement", json=PAIR)
        assert answer.status_code == 403 and "role op" in answer.json()["detail"]
    assert judgement.load() == []


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"why": "  "}, 422, "why"),
        ({"verdict": "maybe"}, 422, "verdict"),
        ({"right_record_id": "000", "right_source_id": "a-1"}, 409, "same record"),
        ({"right_record_id": "gone"}, 409, "b-2:gone"),
        ({"who": "somebody else"}, 422, "who"),
        ({"why": "x" * 401}, 422, "why"),
    ],
)
def test_a_decision_that_is_none_is_refused_with_its_reason(as_role, changed, status, told):
    answer = as_role("op").post("api/judgement", json=PAIR | changed)
    assert answer.status_code == status and told in answer.json()["detail"]
    assert "Traceback" not in answer.text
    assert judgement.load() == []


def test_another_site_decides_nothing(as_role):
    client = as_role("op")
    elsewhere = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("api/judgement", json=PAIR, headers=elsewhere).status_code == 403
    assert client.post("api/judgement", json=PAIR, headers={"Origin": "http://127.0.0.1:1"}).status_code == 403
    form = {"Content-Type": "text/plain"}
    assert client.post("api/judgement", content=json.dumps(PAIR), headers=form).status_code in (415, 422)
    assert judgement.load() == []


def sign_in(page, address, role, passwords):  # noqa: F811
    page.goto(f"{address}/auth/login")
    page.get_by_label("Username").fill(role)
    page.locator("input[type=password]").fill(passwords[role])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")


@needs_chromium
def test_sign_in_open_the_menu_and_decide_a_pair(airflow, page):  # noqa: F811
    address, passwords = airflow
    page.goto(f"{address}/data-quality/index.html")
    assert "Not authenticated" in page.content()
    page.errors.clear()  # the browser's own word on the 401
    sign_in(page, address, "op", passwords)
    page.goto(f"{address}/plugin/data_quality")
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="待审核", exact=True).click()
    pair = frame.locator("article.pair", has_text="Hamlet")
    pair.get_by_role("button", name="合并").click()
    assert pair.get_by_text("请先写明理由").is_visible()
    pair.get_by_label("理由").fill("同一版次 <script>alert(1)</script>")
    pair.get_by_role("button", name="合并").click()
    pair.get_by_text("已记入：op").wait_for()
    page.screenshot(path=SCREENSHOTS / "staff_site_in_airflow.png")
    (one,) = judgement.load()
    assert (one.who, one.verdict) == ("op", "must_join")
    assert one.pair == (("a-1", "000"), ("b-2", "000"))
    page.goto(f"{address}/data-quality/review.html")
    page.get_by_text("已记入：op").wait_for()
    assert not page.get_by_role("button", name="下载 CSV").is_visible()
    assert serious_faults(page) == []


def bearer(address, passwords, role="admin"):
    login = httpx.post(f"{address}/auth/token", json={"username": role, "password": passwords[role]}, timeout=60)
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


def queued(address, passwords):
    """The DAGs that Airflow has queued for staged data."""
    events = httpx.get(
        f"{address}/api/v2/dags/build_catalog/assets/queuedEvents", headers=bearer(address, passwords), timeout=60
    )
    return [event["dag_id"] for event in events.json()["queued_events"]]


@needs_chromium
def test_a_held_batch_is_shown_with_its_gates_and_accepted(airflow, page):  # noqa: F811
    address, passwords = airflow
    (batch,) = [held.batch_id for held in decisions.held(["s"])]
    sign_in(page, address, "op", passwords)
    page.goto(f"{address}/data-quality/batches.html")
    page.get_by_role("link", name=batch).click()
    failed = page.locator("tr.failed")
    assert (
        "退回记录的百分比" in failed.inner_text() and "≤ 5" in failed.inner_text() and "25" in failed.inner_text()
    )
    page.get_by_text("A title 100").wait_for()
    found = page.locator("section[aria-labelledby=findings] tr", has_text="缺题名，记录退回")
    assert found.locator("td.n").all_inner_texts() == ["10", "10"]
    assert "没有正题名（200$a、245$a 或 title）" in found.inner_text()
    page.get_by_role("button", name="接受", exact=True).click()
    assert page.get_by_text("请先写明理由").is_visible()
    page.get_by_label("理由").fill("已知的学位论文导出")
    page.get_by_role("button", name="接受", exact=True).click()
    page.get_by_text("已接受：op").wait_for()
    assert "已排队：build_catalog" in page.locator("[data-told]").inner_text()
    assert decisions.held(["s"]) == []
    assert queued(address, passwords) == ["build_catalog"]
    (one,) = decisions.decisions("s")
    assert (one.decision, one.who, one.why) == ("accept", "op", "已知的学位论文导出")
    page.reload()
    page.get_by_text("已接受：op").wait_for()
    assert page.get_by_role("button", name="拒绝").is_disabled()
    assert serious_faults(page) == []


@needs_chromium
def test_a_viewer_sees_the_decision_but_no_way_to_take_one(airflow, page):  # noqa: F811
    address, passwords = airflow
    (batch,) = [held.batch_id for held in decisions.held(["t"])]
    sign_in(page, address, "viewer", passwords)
    page.goto(f"{address}/data-quality/batches/t--{batch}.html")
    page.get_by_text("决定需要 Airflow 的 op 或 admin 角色").wait_for()
    assert page.get_by_role("button", name="接受", exact=True).is_disabled()


def test_a_batch_is_rejected_once_and_only_where_one_is_held(airflow, as_role):
    (batch,) = [held.batch_id for held in decisions.held(["t"])]
    asked = {"source_id": "t", "batch_id": batch, "decision": "reject", "why": "半份"}
    assert as_role("viewer").post("api/batch", json=asked).status_code == 403
    assert as_role("op").post("api/batch", json=asked | {"decision": "burn"}).status_code == 422
    nowhere = as_role("op").post("api/batch", json=asked | {"source_id": "../a", "batch_id": "../../b"})
    assert nowhere.status_code == 409 and "registry" in nowhere.json()["detail"]
    land(books(range(300, 310)), T)
    told = as_role("op").post("api/batch", json=asked).json()
    assert told["decision"] == "reject" and "harvest_members stages what waited behind it" in told["next"]["en"]
    runs = httpx.get(
        f"{airflow[0]}/api/v2/dags/harvest_members/dagRuns", headers=bearer(*airflow), timeout=60
    ).json()["dag_runs"]
    assert [(run["conf"]["sources"], run["triggering_user_name"]) for run in runs] == [(["t"], "op")]
    again = as_role("admin").post("api/batch", json=asked | {"decision": "accept"})
    assert again.status_code == 409 and "by op" in again.json()["detail"]
    assert [(one.decision, one.who) for one in decisions.decisions("t")] == [("reject", "op")]


def test_a_rule_is_waived_and_the_waiver_ended(as_role):
    asked = {"rule": "no-subject", "source_id": "s", "until": "2999-12-31", "why": "馆内不做主题标引"}
    assert as_role("user").post("api/waiver", json=asked).status_code == 403
    assert as_role("op").post("api/waiver", json=asked | {"until": "soon"}).status_code == 422
    for wrong, told in (
        ({"until": "2020-01-01"}, "past"),
        ({"rule": "x"}, "no rule"),
        ({"source_id": "x"}, "no source"),
    ):
        answer = as_role("op").post("api/waiver", json=asked | wrong)
        assert answer.status_code == 409 and told in answer.json()["detail"]
    answer = as_role("op").post("api/waiver", json=asked)
    assert answer.status_code == 200 and answer.json()["next"]["zh"] == "下次发布起生效"
    assert [(one.rule, one.source_id, one.who) for one in decisions.in_force()] == [("no-subject", "s", "op")]
    del asked["until"]
    assert as_role("admin").post("api/waiver/end", json=asked).status_code == 200
    assert decisions.in_force() == []


@needs_chromium
def test_a_rule_is_waived_on_the_page_of_a_member(airflow, page):  # noqa: F811
    sign_in(page, airflow[0], "op", airflow[1])
    page.goto(f"{airflow[0]}/data-quality/members/M3.html")
    form = page.locator("form[data-waive]")
    form.get_by_label("数据源").select_option("s")
    form.get_by_label("有效期至").fill("2999-12-31")
    form.get_by_label("理由").fill("馆内不做主题标引 <b>")
    form.get_by_role("button", name="豁免", exact=True).click()
    form.get_by_text("已记入：op").wait_for()
    assert "下次发布起生效" in form.locator("[data-told]").inner_text()
    (one,) = decisions.in_force()
    assert (one.source_id, one.who, one.why) == ("s", "op", "馆内不做主题标引 <b>")
    form.get_by_role("button", name="结束豁免").click()
    form.get_by_text("下次发布起重新计入").wait_for()
    assert decisions.in_force() == []
    assert serious_faults(page) == []


@needs_chromium
def test_the_audit_log_has_the_decision(airflow, as_role):
    before = len(judgement.load())
    answer = as_role("admin").post("api/judgement", json=PAIR | {"verdict": "must_not_join", "why": "两版"})
    assert answer.status_code == 200 and answer.json()["who"] == "admin"
    assert len(judgement.load()) == before + 1
    logged = httpx.get(
        f"{airflow[0]}/api/v2/eventLogs?event=staff_site.judgement", headers=bearer(*airflow), timeout=60
    ).json()
    last = max(logged["event_logs"], key=lambda entry: entry["event_log_id"])
    assert last["owner"] == "admin" and "两版" in last["extra"]


def test_the_catalogue_that_was_queued_is_built_with_the_batch(airflow):
    """The last of the file, since a scheduler runs what was queued."""
    address, passwords = airflow
    headers = bearer(address, passwords)
    for dag_id in set(local_airflow.DAGS) - {"build_catalog"}:
        httpx.patch(f"{address}/api/v2/dags/{dag_id}", json={"is_paused": True}, headers=headers, timeout=60)
    for held in decisions.held(["s"]):  # where it runs alone
        asked = {"source_id": "s", "batch_id": held.batch_id, "decision": "accept", "why": "全部"}
        httpx.post(f"{address}/data-quality/api/batch", json=asked, headers=headers, timeout=60)

    def built():
        answer = httpx.get(f"{address}/api/v2/dags/build_catalog/dagRuns", headers=headers, timeout=60)
        states = [run["state"] for run in answer.json()["dag_runs"]]
        assert "failed" not in states
        return "success" in states

    with component("scheduler", address) as scheduler:
        wait_until(built, scheduler, RUN_SECONDS)
    newest = lake.catalog_build(lake.catalog_builds()[-1])
    records = pq.read_table(newest / "bib_record.parquet", columns=["source_id"])
    assert records["source_id"].to_pylist().count("s") == 60 + 30

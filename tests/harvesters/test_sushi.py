"""Harvesting COUNTER reports from a server that plays every exception and serves the samples of COUNTER."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
import zstandard

from harvesters import counter, credentials, landing, usage_door
from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.harvesters.http_server import http_server
from transforms.stage import stage
from warehouse import engine, lake

QUICK = {"allow_private": "yes", "attempts": "3", "first_wait": "0.01", "read_timeout": "5", "begin": "2025-01"}
ZSTD = b"\x28\xb5\x2f\xfd"
KEY = "s3cr3t-k3y-of-the-library"
Answer = tuple[int, object, dict[str, str]]
Wrong = Callable[[str, str], Answer | None]


def report(name: str, month: str, *codes: int, items: int = 1) -> dict[str, Any]:
    header: dict[str, Any] = {"Release": "5.1", "Report_ID": name, "Created": f"{month}-01T00:00:00Z"}
    if codes:
        header["Exceptions"] = [{"Code": code, "Message": f"Exception {code}"} for code in codes]
    performance = [{"Performance": {"Total_Item_Requests": {month: 5}}}]
    return {
        "Report_Header": header,
        "Report_Items": [{"Title": "T", "Attribute_Performance": performance}] * items,
    }


class Fake:
    """A COUNTER API; `wrong` answers in its place where it returns something."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.wrong: Wrong = lambda name, month: None

    def answer(self, path: str, asked: dict[str, str]) -> Answer:
        name = path.rpartition("/")[2].upper()
        if asked.get("api_key") != KEY or asked.get("customer_id") != "whu":
            return 401, {"Code": 2020, "Message": f"API key invalid: {asked.get('api_key')}"}, {}
        return self.wrong(name, asked["begin_date"]) or (200, report(name, asked["begin_date"]), {})


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            fake.asked.append((parts.path, asked))
            status, body, headers = fake.answer(parts.path, asked)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with http_server(Handler) as address:
        yield f"{address}/counter"


@pytest.fixture
def fake(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setenv(credentials.variable("demo"), json.dumps({"customer_id": "whu", "api_key": KEY}))
    monkeypatch.setattr(lake, "now", lambda: __import__("datetime").datetime(2025, 5, 10, 12))
    monkeypatch.setattr(lake, "new_batch_id", iter(f"20250510T{n:06d}000000Z" for n in range(99)).__next__)
    return Fake()


def source(address: str, **changes: Any) -> Source:
    row = {
        "source_id": "demo",
        "member_code": "demo",
        "protocol": "sushi",
        "address": address,
        "format": "counter",
    }
    quirks = QUICK | changes.pop("quirks", {})
    return Source.model_validate(
        row | {"metadata_prefix": "TR", "format": "counter"} | changes | {"quirks": quirks}
    )


def kept(batch_id: str, file: str) -> list[dict[str, Any]]:
    with landing.open_raw("demo", batch_id, file) as stream:
        return [row for table in usage_door.opened(stream).tables for row in table.to_pylist()]


def files() -> list[str]:
    return sorted(row["file"] for b in lake.raw_batches("demo") for row in landing.manifest("demo", b))


def test_each_month_comes_once(fake: Fake) -> None:
    with serving(fake) as address:
        outcome = harvest(source(address, metadata_prefix="TR DR"), "run")
        assert (outcome.verdict, outcome.received, outcome.reason) == ("complete", 8, "")
        months = [f"2025-{n:02d}" for n in (1, 2, 3, 4)]
        assert files() == [f"{name}-{month}.json.arrows" for name in ("DR", "TR") for month in months]
        (row,) = kept(outcome.batch_id, "TR-2025-02.json.arrows")
        assert (row["report_id"], row["title"], row["month"], row["count"]) == ("TR", "T", "2025-02", "5")
        (first, *_) = landing.manifest("demo", outcome.batch_id)
        assert first["request"].endswith("/counter/r51/reports/tr?begin_date=2025-01&end_date=2025-01")
        answer = json.dumps(report("TR", "2025-01")).encode()
        assert (first["bytes"], first["sha256"]) == (len(answer), hashlib.sha256(answer).hexdigest())
        assert {path for path, _ in fake.asked} == {"/counter/r51/reports/tr", "/counter/r51/reports/dr"}
        fake.asked.clear()
        assert harvest(source(address, metadata_prefix="TR DR"), "run-2").verdict == "unchanged" and not fake.asked
        assert harvest(source(address, metadata_prefix="TR DR PR"), "run-3").received == 4  # a report more
        window = harvest(source(address), "run-4", since="2025-02-01", until="2025-03-31")
        assert window.received == 2
    assert all(asked["begin_date"] == asked["end_date"] for _, asked in fake.asked)


def test_release_5_has_another_path(fake: Fake) -> None:
    with serving(fake) as address:
        assert harvest(source(address, quirks={"release": "5"}), "run").received == 4
    assert {path for path, _ in fake.asked} == {"/counter/reports/tr"}


def only(code: int, status: int = 200, month: str = "2025-02", **headers: str) -> Wrong:
    body = {"Code": code, "Message": f"Exception {code}", "Severity": "Error"}
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda name, asked: (status, body, shown) if asked == month else None


def first_time(wrong: Wrong) -> Wrong:
    seen: set[str] = set()

    def once(name: str, month: str) -> Answer | None:
        return None if month in seen or seen.add(month) else wrong(name, month)  # type: ignore[func-returns-value]

    return once


PASSING = {
    "busy": only(1010, 503),
    "service off": only(1000, 503),
    "queued": only(1011, 202),
    "throttled": only(1020, 429, Retry_After="0"),
    "cut": lambda name, month: (200, b'{"Report_Header": {"Rep', {}),
    "HTML": lambda name, month: (200, b"<html><body>Login</body></html>", {}),
    "another report": lambda name, month: (200, report("PR", month), {}),
}


@pytest.mark.parametrize("wrong", PASSING.values(), ids=PASSING)
def test_what_passes_is_asked_again(fake: Fake, wrong: Wrong) -> None:
    fake.wrong = first_time(wrong)
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 4), outcome.reason


def test_no_usage_is_an_empty_report_and_complete(fake: Fake) -> None:
    fake.wrong = lambda name, month: (200, report(name, month, 3030, items=0), {})
    with serving(fake) as address:
        assert harvest(source(address), "run").verdict == "complete" and len(files()) == 4
        assert harvest(source(address), "run-2").verdict == "unchanged"


STAYING = {
    "queued for long": (only(1011, 202), "still being made", True),
    "late": (only(3031), "exception 3031", True),
    "gone": (only(3032), "exception 3032", False),
    "in part": (
        lambda name, month: (200, report(name, month, 3040), {}) if month == "2025-02" else None,
        "only part of it is ready",
        True,
    ),
    "no such report": (only(3000, 404), "correct metadata_prefix", True),
}


@pytest.mark.parametrize(("wrong", "said", "comes_again"), STAYING.values(), ids=STAYING)
def test_what_is_missing_is_told_and_asked_for_next_time(
    fake: Fake, wrong: Wrong, said: str, comes_again: bool
) -> None:
    fake.wrong = wrong
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
        assert outcome.verdict == "partial" and said in outcome.reason and "TR 2025-02" in outcome.reason
        fake.wrong = lambda name, month: None
        fake.asked.clear()
        again = harvest(source(address), "run-2")
    assert again.verdict == ("complete" if comes_again else "unchanged")
    assert [asked["begin_date"] for _, asked in fake.asked] == ["2025-02"] * comes_again


def test_the_last_month_may_not_be_ready_yet(fake: Fake) -> None:
    fake.wrong = only(3031, month="2025-04")
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
        assert (outcome.verdict, outcome.received) == (
            "complete",
            3,
        ) and "not ready yet: TR 2025-04" in outcome.reason
        assert harvest(source(address), "run-2").verdict == "unchanged"
        fake.wrong = lambda name, month: None
        assert harvest(source(address), "run-3").received == 1


def test_a_refused_login_needs_a_person_and_shows_no_key(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(credentials.variable("demo"), json.dumps({"customer_id": "whu", "api_key": KEY + "-wrong"}))
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
    assert outcome.verdict == "failed" and "2020" in outcome.reason and "a person must" in outcome.reason
    assert KEY not in outcome.reason and len(fake.asked) == 1


def test_a_server_that_sends_the_key_back_is_not_landed(fake: Fake) -> None:
    fake.wrong = lambda name, month: (200, report(name, month) | {"url": f"?api_key={KEY}"}, {})
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
    assert outcome.verdict == "failed" and "secrets back" in outcome.reason and not files()


@pytest.mark.parametrize("given", ["", "whu", "{}", '{"customer_id": ["x"', '{"api_key": "abcdefgh"}'])
def test_without_credentials_it_is_told_what_to_do(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(credentials.variable("demo"), given)
    outcome = harvest(source("http://127.0.0.1:9/counter"), "run")
    assert outcome.verdict == "failed" and "abcdefgh" not in outcome.reason
    assert "customer_id" in outcome.reason or "CALIS_CREDENTIAL_DEMO" in outcome.reason


def test_the_samples_of_counter_land_whole(fake: Fake, real: Path) -> None:
    samples = {path.name.split("_")[0]: path for path in (real / "usage/counter-r51-samples").glob("*.json")}
    names = {json.loads(path.read_bytes())["Report_Header"]["Report_ID"]: path for path in samples.values()}
    fake.wrong = lambda name, month: (200, names[name].read_bytes(), {})
    with serving(fake) as address:
        outcome = harvest(source(address, metadata_prefix=" ".join(names), quirks={"begin": "2025-04"}), "run")
    counted = {name: sum(map(len, counter.read(path.read_bytes(), name))) for name, path in names.items()}
    assert (outcome.verdict, outcome.received) == ("complete", sum(counted.values())), outcome.reason
    assert {row["file"]: row["received"] for row in landing.manifest("demo", outcome.batch_id)} == {
        f"{name}-2025-04.json.arrows": rows for name, rows in counted.items()
    }
    (staged,) = stage(source("http://demo.example/counter"), "run")
    assert staged.verdict == "complete" and staged.staged > 100, staged.reason
    rows = lake.read_table("staged.eusage", lake.staged_files("eusage"))
    assert set(rows["report_id"].to_pylist()) == set(names) and rows.num_rows == staged.staged


def test_personal_data_of_an_answer_is_never_written(fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    planted = ("张三丰", "13812345678", "zhang@example.edu.cn", "110105199001011234")
    name, phone, mail, identity = planted
    answer = report("TR", "2025-04")
    answer["Report_Header"] |= {"Institution_Name": name, "Created_For": {"Contact": mail, "Phone": phone}}
    answer["Report_Items"][0] |= {"Platform": "P", "Reader": name}
    answer["Report_Items"].append(answer["Report_Items"][0] | {"Title": f"Ask {mail} or {phone}"})
    answer["Report_Items"].append(answer["Report_Items"][0] | {"Item_ID": {"Proprietary": identity}})
    fake.wrong = lambda name, month: (200, answer, {})
    caplog.set_level("DEBUG")
    with serving(fake) as address:
        row = source(address, quirks={"begin": "2025-04"})
        harvested = harvest(row, "run")
        (staged,) = stage(row, "run")
    assert (harvested.received, staged.staged, staged.rejected) == (3, 1, 2)
    written = [path.read_bytes() for path in lake.home().rglob("*") if path.is_file()]
    texts = [zstandard.ZstdDecompressor().stream_reader(data).read() for data in written if data[:4] == ZSTD]
    tables = [repr(pq.read_table(path).to_pydict()).encode() for path in lake.home().rglob("*.parquet")]
    everything = b"".join([*written, *texts, *tables, caplog.text.encode(), harvested.reason.encode()])
    assert b"Total_Item_Requests" in everything
    assert [one for one in planted if one.encode() in everything] == []


def test_an_answer_of_another_shape_is_told_without_its_content(fake: Fake) -> None:
    fake.wrong = lambda name, month: (200, report(name, month) | {"Report_Items": ["secret"]}, {})
    with serving(fake) as address:
        outcome = harvest(source(address), "run")
    assert outcome.verdict == "failed" and "TR 2025-01" in outcome.reason and "secret" not in outcome.reason


def test_a_part_of_a_report_is_marked_until_the_whole_has_come(fake: Fake) -> None:
    def marked() -> set[tuple[str, bool]]:
        con = engine.open_lake()
        return set(con.execute("SELECT CAST(month AS VARCHAR), partial FROM staged.current_eusage").fetchall())

    def whole(name: str, month: str, *codes: int) -> Answer:
        found = report(name, month, *codes)
        found["Report_Items"][0]["Platform"] = "P"
        return 200, found, {}

    fake.wrong = lambda name, month: whole(name, month, *[3040] * (month == "2025-02"))
    row_of = {"quirks": {"begin": "2025-02"}}
    with serving(fake) as address:
        assert harvest(source(address, **row_of), "run").verdict == "partial"
        (staged,) = stage(source(address), "run")
        assert "only a part (exception 3040)" in staged.reason
        assert marked() == {("2025-02-01", True), ("2025-03-01", False), ("2025-04-01", False)}
        fake.wrong = whole
        assert harvest(source(address, **row_of), "run-2").received == 1
        stage(source(address), "run-2")
    assert marked() == {(f"2025-0{n}-01", False) for n in (2, 3, 4)}

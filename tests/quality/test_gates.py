"""Gates of batches: what they see, what they hold, and what becomes of a held batch."""

from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operations import onward
from quality import decisions, expectations, gates
from quality.decisions import DecisionError
from tests.quality import arrivals
from tests.quality.arrivals import S, T, books, counts, current, failed, land, untitled
from tests.transforms.marc_records import assemble
from transforms import stage as staging
from transforms.stage import stage, stage_sources
from warehouse import lake
from warehouse.outcome import recorded


@pytest.fixture(autouse=True)
def lake_with_registry(lake_home):
    arrivals.registry()


def verdicts(source_id: str = "s") -> list[str]:
    return [outcome.verdict for outcome in recorded("stage", source_id)]


# --- what the gates see ----------------------------------------------------------------------------------


def test_a_sound_first_batch_passes_and_only_what_needs_no_history_is_asked():
    batch = land(books(range(60)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete" and counts(outcome) == (60, 60, 0, 0, 0)
    seen = decisions.gates_of("s", batch)
    assert {row["name"] for row in seen} == {"contract", "required_null", "key_twice", "set_aside_percent"}
    assert {row["about"] for row in seen if row["name"] == "contract"} >= {"staged.bib", "staged.field"}
    assert all(row["success"] for row in seen)
    assert lake.held_batches("s") == []


def test_too_many_records_set_aside_hold_the_batch():
    batch = land(books(range(57)) + untitled(range(900, 904)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held" and counts(outcome) == (61, 0, 61, 0, 0)
    assert outcome.balanced
    about, observed = failed("s", batch)["set_aside_percent"]
    assert about == "" and observed == pytest.approx(100 * 4 / 61)
    assert "Records set aside, percent ≤ 5" in outcome.reason and "calis gate accept" in outcome.reason
    assert "退回记录" in outcome.reason and f"s {batch}" in outcome.reason
    assert current() == []


@pytest.mark.parametrize(("sound", "bad"), [(3, 2), (3, 9), (20, 2)])
def test_a_few_records_are_no_share(sound, bad):
    land(books(range(sound)) + untitled(range(900, 900 + bad)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete" and counts(outcome) == (sound + bad, sound, bad, 0, 0)


def test_a_full_export_that_shrank_is_held_and_the_last_state_stays():
    land(books(range(60)), full=True)
    stage(S, "r")
    batch = land(books(range(40)), full=True)
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held"
    assert failed("s", batch) == {"shrink_percent": ("", pytest.approx(100 / 3))}
    assert len(current()) == 60


def test_an_increment_that_withdraws_a_third_is_held():
    land(books(range(60)))
    stage(S, "r")
    gone = books(range(20)).replace(b"nam a", b"dam a")
    batch = land(gone)
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held" and "shrink_percent" in failed("s", batch)


def test_identifiers_that_changed_are_held():
    land(books(range(120)))
    stage(S, "r")
    batch = land(books(range(1000, 1700)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held" and "growth_percent" in failed("s", batch)


def test_another_encoding_is_held():
    land(books(range(60), title="Été à Nîmes — 红楼梦"))
    stage(S, "r")
    chinese = books(range(100, 160), title="红楼梦与古典小说研究").decode().encode("gb18030")
    batch = land(_with_right_lengths(chinese))
    (outcome,) = stage(S.model_copy(update={"encoding": "gb18030"}), "r")
    assert outcome.verdict == "held"
    assert failed("s", batch)["charset_new_percent"] == ("", 100.0)


def _with_right_lengths(content: bytes) -> bytes:
    """ISO 2709 whose text has another length than its directories say, set right."""
    whole = []
    for record in content.split(b"\x1d")[:-1]:
        base = int(record[12:17])
        tags = [record[at : at + 3] for at in range(24, base - 1, 12)]
        whole.append(assemble(list(zip(tags, record[base:].split(b"\x1e"), strict=False)), record[:24]))
    return b"".join(whole)


def test_a_lost_field_and_its_column_are_told():
    land(books(range(60)))
    stage(S, "r")
    batch = land(books(range(100, 160), extent="301"))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held"
    found = failed("s", batch)
    assert found["tags_lost"] == ("300", 1)
    assert found["null_rise_points"] == ("extent", 100)
    assert "tags_new_percent" not in found  # one field in eight may be new


def test_another_kind_of_material_shifts_the_spectrum():
    land(books(range(60)))
    stage(S, "r")
    more = [("650", f" 0\x1faSubject {n}") for n in range(12)]
    batch = land(books(range(100, 160), more=more))
    stage(S, "r")
    assert failed("s", batch).keys() == {"tag_shift_percent", "tags_new_percent"}


def test_more_errors_than_ever_are_held():
    land(books(range(60)))
    stage(S, "r")
    batch = land(books(range(100, 160), coded="980101s1998"))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held"
    assert "fail_rise_points" in failed("s", batch)


def test_a_batch_like_those_before_passes_every_gate():
    land(books(range(60)))
    stage(S, "r")
    batch = land(books(range(50, 110), title="Another"))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete"
    names = {row["name"] for row in decisions.gates_of("s", batch)}
    assert names >= {"shrink_percent", "null_rise_points", "tags_lost", "tag_shift_percent", "fail_rise_points"}


def test_a_file_that_breaks_its_contract_is_held(monkeypatch):
    """No writer of ours makes such a file; one that did would be found."""

    def spoilt(source, outcome, landed, folder, *rest):
        before = original(source, outcome, landed, folder, *rest)
        bib = pq.read_table(folder / "bib.parquet")
        pq.write_table(pa_twice(bib), folder / "bib.parquet")
        return before

    def pa_twice(table):
        nullable = pa.schema([field.with_nullable(True) for field in table.schema])
        both = pa.concat_tables([table, table.slice(0, 1)]).cast(nullable)
        at = both.schema.get_field_index("charset")
        return both.set_column(at, "charset", pa.array([None] * len(both), pa.string())).drop_columns("title_key")

    original = staging._stage_records
    monkeypatch.setattr(staging, "_stage_records", spoilt)
    batch = land(books(range(3)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held"
    assert failed("s", batch) == {
        "contract": ("staged.bib", 1),
        "required_null": ("staged.bib", 4),
        "key_twice": ("staged.bib", 1),
    }


def test_the_others_go_on_while_one_source_is_held():
    land(untitled(range(30)))
    land(books(range(30)), T)
    outcomes = stage_sources([], "r")
    assert [(o.source_id, o.verdict) for o in outcomes] == [("s", "held"), ("t", "complete")]
    assert len(current()) == 30


def test_two_batches_of_a_source_are_checked_in_order_and_the_second_knows_the_first():
    land(books(range(60)))
    batch = land(books(range(20)), full=True)
    outcomes = stage(S, "r")
    assert [o.verdict for o in outcomes] == ["complete", "held"]
    assert "shrink_percent" in failed("s", batch)


# --- what becomes of a held batch ------------------------------------------------------------------------


def held_after_one() -> str:
    """A source with sixty records, and an increment of forty that is held."""
    land(books(range(60)))
    stage(S, "r")
    batch = land(books(range(100, 130)) + untitled(range(900, 910)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held"
    return batch


def test_accepting_makes_it_current_with_who_when_and_why():
    batch = held_after_one()
    (waiting,) = decisions.held()
    assert (waiting.source_id, waiting.batch_id, waiting.received) == ("s", batch, 40)
    assert [row["name"] for row in waiting.failed] == ["set_aside_percent"]
    one = decisions.accept("s", batch, " li ", "known export of theses")
    assert (one.who, one.why, one.decision) == ("li", "known export of theses", "accept")
    assert decisions.held() == [] and decisions.decisions() == [one]
    assert len(current()) == 90
    assert verdicts() == ["complete", "complete"]
    assert counts(recorded("stage", "s")[1]) == (40, 30, 10, 0, 0)


def test_rejecting_sets_it_aside_and_the_same_records_can_come_again():
    batch = held_after_one()
    decisions.reject("s", batch, "li", "half an export")
    assert len(current()) == 60 and decisions.held() == []
    outcome = recorded("stage", "s")[1]
    assert outcome.verdict == "rejected" and counts(outcome) == (40, 0, 40, 0, 0)
    assert outcome.reason == "rejected by li: half an export"
    (again,) = stage(S, "r")
    assert again.verdict == "unchanged"
    land(books(range(100, 130)))
    (outcome,) = stage(S, "r")
    assert counts(outcome) == (30, 30, 0, 0, 0), "what was set aside is not taken for unchanged"
    assert len(current()) == 90


def test_an_increment_waits_behind_a_held_batch_and_goes_on_after_the_decision():
    batch = held_after_one()
    land(books(range(200, 210)))
    (outcome,) = stage(S, "r2")
    assert outcome.verdict == "held" and outcome.batch_id == batch
    assert len(current()) == 60
    decisions.accept("s", batch, "li", "fine")
    (outcome,) = stage(S, "r3")
    assert outcome.verdict == "complete" and len(current()) == 100


def test_batches_behind_one_that_is_held_in_the_same_run_wait_too():
    land(untitled(range(30)))
    land(books(range(30)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held" and verdicts() == ["held"]
    decisions.reject("s", outcome.batch_id, "li", "no titles")
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete" and len(current()) == 30


@pytest.mark.parametrize("same_run", [False, True])
def test_a_full_export_supersedes_a_held_batch(same_run):
    land(untitled(range(30)))
    if not same_run:
        assert [o.verdict for o in stage(S, "r")] == ["held"]
    land(books(range(5)))
    full = land(books(range(30)), full=True)
    outcomes = stage(S, "r")
    assert [o.verdict for o in outcomes] == ["rejected", "complete", "complete"]
    assert all(o.balanced for o in outcomes)
    assert f"superseded: batch {full} is a full export" in outcomes[0].reason
    assert [one.decision for one in decisions.decisions()] == ["superseded"]
    assert len(current()) == 30


def test_a_full_export_that_is_held_itself_is_superseded_by_the_next():
    land(books(range(60)), full=True)
    stage(S, "r")
    land(books(range(10)), full=True)
    assert [o.verdict for o in stage(S, "r")] == ["held"]
    land(books(range(58)), full=True)
    assert [o.verdict for o in stage(S, "r")] == ["rejected", "complete"]
    assert len(current()) == 58


def test_staging_again_keeps_what_was_decided_and_what_was_current():
    first = held_after_one()
    decisions.accept("s", first, "li", "fine")
    land(untitled(range(30)))
    (outcome,) = stage(S, "r")
    decisions.reject("s", outcome.batch_id, "li", "no titles")
    before = current()
    outcomes = stage(S, "r2", again=True)
    assert [o.verdict for o in outcomes] == ["complete", "complete"]
    assert current() == before
    assert verdicts() == ["complete", "complete", "rejected"]


def test_a_stage_killed_while_staging_again_is_done_again():
    land(books(range(60)))
    stage(S, "r")
    lake.remove_staged_batch("s", lake.staged_batches("s")[0])
    (outcome,) = stage(S, "r2")
    assert counts(outcome) == (60, 60, 0, 0, 0) and len(current()) == 60


@pytest.mark.parametrize("decision", ["accept", "reject"])
@pytest.mark.parametrize("at", ["release", "record", "remove_held_batch"])
def test_a_decision_whose_effect_was_cut_off_is_finished_by_the_next_stage(at, decision, monkeypatch):
    batch = held_after_one()

    class Killed(BaseException):
        pass

    def killed(*given):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(*((decisions.Outcome, at) if at == "record" else (lake, at)), killed)
        with suppress(Killed):
            getattr(decisions, decision)("s", batch, "li", "fine")
    stage(S, "r2")
    accepted = decision == "accept"
    assert len(current()) == (90 if accepted else 60)
    assert verdicts() == ["complete", "complete" if accepted else "rejected"]
    assert lake.held_batches("s") == []


def test_killed_between_staging_and_the_gates_is_staged_anew(monkeypatch):
    land(books(range(60)))
    staging.prepare(S, "r")
    assert current() == [] and recorded("stage", "s") == []
    (outcome,) = stage(S, "r2")
    assert outcome.verdict == "complete" and len(current()) == 60


@pytest.mark.parametrize(
    ("then", "told"), [("accept", "put"), ("reject", "comes again"), ("supersede", "needs no decision any more")]
)
def test_a_second_decision_says_what_the_first_was_and_how_it_is_undone(then, told):
    batch = held_after_one()
    if then == "supersede":
        land(books(range(90)), full=True)
        stage(S, "r")
    else:
        getattr(decisions, then)("s", batch, "li", "known")
    with pytest.raises(DecisionError, match=told) as refused:
        decisions.accept("s", batch, "wang", "fine")
    assert ("is a full export" if then == "supersede" else "calis harvest s --full") in str(refused.value)


def test_what_waits_behind_a_decided_batch_is_told():
    batch = held_after_one()
    behind = land(books(range(200, 210)))
    assert staging.waiting("s") == [behind]
    accepted = decisions.accept("s", batch, "li", "known")
    assert staging.waiting("s") == [behind]
    said = onward.by_hand(accepted)
    assert "calis stage s (for 1 that waited behind it), calis catalog, calis publish" in said
    stage(S, "r")
    assert staging.waiting("s") == [] and "calis stage" not in onward.by_hand(accepted)


def test_what_can_not_be_decided_says_why():
    batch = held_after_one()
    with pytest.raises(DecisionError, match="why is empty"):
        decisions.accept("s", batch, "li", " ")
    with pytest.raises(DecisionError, match="no source 'x'"):
        decisions.accept("x", batch, "li", "fine")
    with pytest.raises(DecisionError, match=f"is not held; held is: s {batch}"):
        decisions.reject("s", lake.staged_batches("s")[0], "li", "fine")
    decisions.accept("s", batch, "li", "fine")
    with pytest.raises(DecisionError, match=r"by li \(accept: fine\)"):
        decisions.reject("s", batch, "wang", "no")
    assert [one.decision for one in decisions.decisions()] == ["accept"]


def test_each_gate_says_what_to_do_in_both_languages():
    for one in expectations.load(gates.GATES):
        assert one.english and one.chinese and one.advice_en and one.advice_zh
        assert one.minimum is not None or one.maximum is not None

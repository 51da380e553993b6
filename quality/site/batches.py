"""Batches as their pages show them: what was held or failed, why, what was decided, and what to do."""

from dataclasses import dataclass, field

from quality import profile
from warehouse import engine, lake

from .published import Published, by
from .words import Row, explained, file_of

NEEDS_A_PERSON = ("failed", "held", "partial")
SOME = 12  # records of a held batch that its page shows
# what of a held batch is shown, and the files that it is read from: findings by rule, records, records set aside
_HELD = (
    (
        """SELECT rule, severity, count(*) AS findings, count(DISTINCT record_no) AS records,
            any_value(value) AS value, any_value(reason) AS reason
        FROM read_parquet(?)
        LEFT JOIN (SELECT record_no, rule, reason FROM read_parquet(?)) USING (record_no, rule)
        GROUP BY ALL ORDER BY severity, findings DESC, rule""",
        ("issue", "rejected"),
    ),
    (
        "SELECT record_no, record_id, title, creators[1] AS creator, publisher, pub_year, charset, format "
        f"FROM read_parquet(?) ORDER BY record_no LIMIT {SOME}",
        ("bib",),
    ),
    (
        "SELECT record_no, file, byte_offset, rule, reason, advice "
        f"FROM read_parquet(?) ORDER BY record_no LIMIT {SOME}",
        ("rejected",),
    ),
)


@dataclass
class Batch:
    """One batch of a source that needs a person, or on which one decided."""

    source_id: str
    batch_id: str
    outcomes: list[Row]  # of each stage, with the member
    needs_a_person: bool
    gates: list[Row] = field(default_factory=list)  # what was expected and observed, failed ones first
    found: list[Row] = field(default_factory=list)  # findings by rule, and why records were set aside
    decisions: list[Row] = field(default_factory=list)
    records: list[Row] = field(default_factory=list)  # some of a batch that is held
    set_aside: list[Row] = field(default_factory=list)  # some of its records that were, and why
    sizes: Row = field(default_factory=dict)  # current records before a held batch, and after it

    @property
    def failed(self) -> list[Row]:
        """The expectations that did not hold."""
        return [gate for gate in self.gates if not gate["success"]]

    @property
    def member(self) -> Row:
        """Code and names of the member."""
        return self.outcomes[0]

    @property
    def key(self) -> tuple[str, str]:
        """Names it."""
        return self.source_id, self.batch_id

    @property
    def file(self) -> str:
        """The name of its page."""
        return file_of(f"{self.source_id}--{self.batch_id}")

    @property
    def last(self) -> Row:
        """The outcome that needs a person, else the last one."""
        bad = [row for row in self.outcomes if row["verdict"] in NEEDS_A_PERSON]
        return (bad or self.outcomes)[-1]

    @property
    def is_held(self) -> bool:
        """Whether it waits for a decision of the staff."""
        return bool(self.last["verdict"] == "held") and not self.decisions


def load(published: Published) -> list[Batch]:
    """The batches that need a person, newest first, then those on which somebody decided."""
    troubled = published.rows("troubled_batches")
    others = published.rows("batch_members")
    needing = {(row["source_id"], row["batch_id"]) for row in troubled}
    outcomes = _by_batch(
        [*troubled, *(row for row in others if (row["source_id"], row["batch_id"]) not in needing)]
    )
    gates = _by_batch(published.rows("batch_gates"))
    decisions = _by_batch(published.rows("decisions"))
    found = _by_batch(explained(published.rows("batch_rules")))
    batches = [
        Batch(*key, rows, key in needing, gates.get(key, []), found.get(key, []), decisions.get(key, []))
        for key, rows in outcomes.items()
    ]
    for batch in batches:
        if batch.last["verdict"] == "held":
            _look_into(batch)
    return sorted(batches, key=lambda batch: (batch.needs_a_person, batch.last["ended_at"]), reverse=True)


def _look_into(batch: Batch) -> None:
    """Take from the lake what the published file lacks of a batch that is not current."""
    try:
        folder = lake.held_batch(*batch.key)
    except lake.LakeError:
        return
    profiled = profile.read([folder]).to_pylist()
    batch.sizes = {row["about"]: row["count"] for row in profiled if row["measure"] == "current"}
    files = {name: str(folder / f"{name}.parquet") for name in ("bib", "issue", "rejected")}
    if not all((folder / f"{name}.parquet").exists() for name in files):
        return
    with engine.connect() as con:
        found, batch.records, batch.set_aside = (
            con.execute(sql, [files[name] for name in names]).to_arrow_table().to_pylist() for sql, names in _HELD
        )
    batch.found, batch.set_aside = explained(found), explained(batch.set_aside)


def _by_batch(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    return {
        (source_id, batch_id): own
        for source_id, of_source in by("source_id", rows).items()
        for batch_id, own in by("batch_id", of_source).items()
    }

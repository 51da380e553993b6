from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from transforms import record_index
from transforms.lookup_kernel import NONE
from transforms.record_index import PLACE, Order, coded

Place = tuple[str, str, int]
NOWHERE = pa.schema([("source_id", pa.string()), ("batch_id", pa.string()), ("record_no", pa.int32())])


def places(rows: list[Place]) -> pa.Table:
    return pa.table(
        [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), NOWHERE.types, strict=True)],
        PLACE,
    )


@pytest.mark.parametrize("piece", [1000, 150, 1])
@pytest.mark.parametrize("seed", range(4))
def test_records_that_came_and_went_are_told_round_after_round(seed: int, piece: int) -> None:
    """Records of some sources, of which some come, some go and some stand in another batch than before."""
    rng = np.random.default_rng(seed)

    def some(batch: str, sources: str) -> dict[tuple[str, int], Place]:
        return {(name, nth): (name, batch, nth) for name in sources for nth in range(200) if rng.random() < 0.8}

    now = some("b0", "ceg")
    known = list(now.values())
    order = Order(len(known), np.zeros(0, np.int32), np.zeros(0, np.int32))
    group = np.zeros(len(known), np.int32)
    for batch, sources in (("b0", "bdfz"), ("b1", "abceg"), ("b2", "ag"), ("b3", "f"), ("b4", "zxa")):
        before = list(now.values())
        gone = [name for name in now if rng.random() < 0.1 or (name[0] == "c" and batch == "b2")]
        now = {name: place for name, place in now.items() if name not in gone}
        now |= {name: place for name, place in some(batch, sources).items() if rng.random() < 0.2}
        now = dict(sorted(now.items()))
        there = list(now.values())

        record = coded(pa.concat_tables([places(known[: len(known) // 2]), places(known[len(known) // 2 :])]))
        living = order.living(group, len(group))
        assert [known[row] for row in living] == before
        pieces = [places(there[at : at + piece]) for at in range(0, len(there), piece)]
        found = record_index.changes(record, living, pieces, len(there))
        assert found is not None
        came = [tuple(row.values()) for row in found.came.to_pylist()]
        assert came == [row for row in there if row not in set(before)]
        assert [known[row] for row in found.went] == [row for row in before if row not in set(there)]
        beside = [None, *there, None]
        for nth, row in enumerate(came):
            at = there.index(row)
            for neighbour, told in ((beside[at], found.behind[nth]), (beside[at + 2], found.before[nth])):
                assert (known[told] if told != NONE else None) == (neighbour if neighbour in set(before) else None)

        order = order.with_more(found.follow)
        group[found.went] = NONE
        group, known = np.append(group, np.zeros(len(came), np.int32)), known + came
        rows = order.living(group, len(group))
        assert [known[row] for row in rows] == there
        assert (np.diff(order.places(rows)) > 0).all()
        numbers = [record_index.stands(row, order.base, order.keys()) for row in rows]
        assert (np.diff(numbers) > 0).all()
        assert record_index.changes(record, living, pieces, len(came) - 1) is None


def test_a_record_before_which_very_many_went_is_read_again() -> None:
    rows = [("a", "b0", nth) for nth in range(record_index.FAR + 2)]
    for stays, came in ((record_index.FAR - 1, 0), (record_index.FAR, 1)):
        present = [places(rows[:1]), places(rows[stays + 1 :])]
        found = record_index.changes(coded(places(rows)), np.arange(len(rows)), present, 5)
        assert found is not None
        assert (len(found.came), len(found.went)) == (came, stays + came)


def test_records_that_are_deleted_are_not_read(tmp_path: Path) -> None:
    rows = places([("a", "b0", nth) for nth in range(10)]).append_column("deleted", pa.array([False, True] * 5))
    pq.write_table(rows, tmp_path / "index.parquet", row_group_size=3)
    pq.write_table(rows.filter(rows["deleted"]), tmp_path / "gone.parquet")
    pq.write_table(rows.filter(pc.invert(rows["deleted"])), tmp_path / "kept.parquet")
    pq.write_table(rows, tmp_path / "untold.parquet", write_statistics=False)
    files = [tmp_path / f"{name}.parquet" for name in ("index", "gone", "kept", "untold")]
    found = pa.concat_tables(record_index.read(files, 2, list(PLACE)))
    assert found["record_no"].to_pylist() == [0, 2, 4, 6, 8] * 3

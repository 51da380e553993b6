from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from transforms import record_index
from transforms.index_changes import FAR, changes
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
        found = changes(record, [living], pieces, len(there))
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
        assert changes(record, [living], pieces, len(came) - 1) is None


def test_a_record_before_which_very_many_went_is_read_again() -> None:
    rows = [("a", "b0", nth) for nth in range(FAR + 2)]
    order = np.array_split(np.arange(len(rows)), 5)
    for stays, came in ((FAR - 1, 0), (FAR, 1)):
        present = [places(rows[:1]), places(rows[stays + 1 :])]
        found = changes(coded(places(rows)), order, present, 5)
        assert found is not None
        assert (len(found.came), len(found.went)) == (came, stays + came)


@pytest.mark.parametrize("most", [1, 700, 1 << 20])
def test_the_order_of_records_may_be_told_in_pieces(most: int) -> None:
    """Of many records, since as many as might have gone are always looked at."""
    rng = np.random.default_rng(most)
    size = 2 * FAR
    base, kinds = np.flatnonzero(rng.random(size) < 0.9).astype(np.int32), rng.random(size)
    added = np.setdiff1d(np.arange(size), base)
    order = Order(
        len(base), np.arange(len(base), size, dtype=np.int32), np.searchsorted(base, added).astype(np.int32)
    )
    nth = np.append(base, added)  # of each row where it stands
    record = coded(places([(f"s{one // 999:02}", "b0", int(one)) for one in nth]))
    group = np.where(kinds[nth] < 0.05, NONE, 0).astype(np.int32)
    went, again = (kinds > 0.97), (kinds > 0.95) & (kinds <= 0.97)
    there = [
        (f"s{one // 999:02}", "b1" if again[one] else "b0", one)
        for one in range(size) if kinds[one] >= 0.05 and not went[one]
    ]  # fmt: skip
    living = list(order.pieces(group, size, most))
    assert max(map(len, living)) <= most
    assert nth[np.concatenate(living)].tolist() == np.flatnonzero(kinds >= 0.05).tolist()
    found = changes(record, living, [places(there)], size)
    assert found is not None
    assert found.came["record_no"].to_pylist() == np.flatnonzero(again).tolist()
    assert sorted(nth[found.went]) == np.flatnonzero(went | again).tolist()


def test_records_that_are_deleted_are_not_read(tmp_path: Path) -> None:
    rows = places([("a", "b0", nth) for nth in range(10)]).append_column("deleted", pa.array([False, True] * 5))
    pq.write_table(rows, tmp_path / "index.parquet", row_group_size=3)
    pq.write_table(rows.filter(rows["deleted"]), tmp_path / "gone.parquet")
    pq.write_table(rows.filter(pc.invert(rows["deleted"])), tmp_path / "kept.parquet")
    pq.write_table(rows, tmp_path / "untold.parquet", write_statistics=False)
    files = [tmp_path / f"{name}.parquet" for name in ("index", "gone", "kept", "untold")]
    found = pa.concat_tables(record_index.read(files, 2, list(PLACE)))
    assert found["record_no"].to_pylist() == [0, 2, 4, 6, 8] * 3

"""One change of a shard: what stays, what dies, what is written; compared with a dictionary of what should live."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.storage import chunk_files
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import chunk, chunks_of, flip, state, states, write

BASE = {"a.py": ["f one", "g two"], "b.py": ["h three"]}


def live(warehouse: Warehouse, shard: str = "s") -> dict[int, tuple[str, str]]:
    """chunk_id -> (path, text) of live rows; a doubled id fails."""
    found: dict[int, tuple[str, str]] = {}
    snapshot = warehouse.snapshot(shard)
    assert snapshot is not None
    for one in snapshot.segments:
        dead = snapshot.dead_mask(one.segment_id)
        for row, gone in zip(warehouse.segment(one.segment_id).chunks().to_pylist(), dead, strict=True):
            if not gone:
                assert row["chunk_id"] not in found
                found[row["chunk_id"]] = (row["path"], row["text"])
    return found


def expected(corpus: dict[str, list[str]]) -> dict[int, tuple[str, str]]:
    return {one.chunk_id: (one.path, one.text) for one in chunks_of(corpus, corpus)}


def test_the_first_snapshot_holds_everything_in_one_segment(warehouse: Warehouse) -> None:
    change = write(warehouse, BASE)
    assert (change.added, change.changed, change.deleted, change.kept) == (3, 0, 0, 0)
    assert change.new_segment is not None and change.new_segment.rows == 3
    assert live(warehouse) == expected(BASE)


def test_nothing_changed_gives_the_same_data_version_and_no_segment(warehouse: Warehouse) -> None:
    first = write(warehouse, BASE)
    second = write(warehouse, BASE)
    assert (second.new_segment, second.kept) == (None, 3)
    assert second.snapshot.data_version == first.snapshot.data_version
    assert len(warehouse.segments()) == 1


def test_identical_rows_of_a_touched_file_stay_where_they_are(warehouse: Warehouse) -> None:
    first = write(warehouse, BASE)
    change = write(warehouse, {"a.py": ["f one", "g changed", "k new"], "b.py": ["h three"]})
    assert (change.added, change.changed, change.deleted, change.kept) == (1, 1, 0, 2)
    assert change.new_segment is not None and change.new_segment.rows == 2
    assert first.new_segment is not None
    assert change.snapshot.dead_mask(first.new_segment.segment_id).tolist() == [False, True, False]


def test_a_deleted_file_only_dies(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    change = write(warehouse, {"b.py": ["h three"]})
    assert (change.deleted, change.kept, change.new_segment) == (2, 1, None)
    assert change.snapshot.segments[0].dead == ((0, 2),)


def test_a_wholly_dead_segment_leaves_the_snapshot(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    assert write(warehouse, {}).snapshot.segments == ()


def test_a_row_stays_where_it_is_when_its_lines_move(warehouse: Warehouse) -> None:
    one = chunk("a.py", "f", "text", line=1)
    for step, lines in enumerate((1, 5)):
        change = warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files={"a.py": state("a.py", f"version {step}")},
            touched=["a.py"],
            chunks=[replace(one, start_line=lines, end_line=lines + 1)],
        )
    assert (change.changed, change.added, change.deleted, change.kept, change.new_segment) == (0, 0, 0, 1, None)
    assert list(live(warehouse)) == [one.chunk_id]
    assert (change.snapshot.format_version, change.snapshot.segments[0].shifts) == (2, ((0, 1, 4),))


@pytest.mark.parametrize("column", ["symbol", "kind", "part", "start_line", "end_line", "title", "text", "metadata"])
def test_a_row_that_differs_in_any_column_is_written_anew(warehouse: Warehouse, column: str) -> None:
    one = chunk("a.py", "f", "text")
    values: dict[str, Any] = {column: 9 if isinstance(getattr(one, column), int) else "other"}
    other = replace(one, **values)
    for step, item in enumerate((one, other)):
        change = warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files={"a.py": state("a.py", f"version {step}")},
            touched=["a.py"],
            chunks=[item],
        )
    assert (change.changed, change.kept) == (1, 0)


def test_the_border_between_title_and_text_is_part_of_the_row(warehouse: Warehouse) -> None:
    one = replace(chunk("a.py", "f", "a\nb"), title="")
    other = replace(one, title="a", text="b")
    assert one.encoded == other.encoded
    for step, item in enumerate((one, other)):
        change = warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files={"a.py": state("a.py", f"version {step}")},
            touched=["a.py"],
            chunks=[item],
        )
    assert change.changed == 1


def test_the_same_change_makes_the_same_segment_id_in_another_warehouse(warehouse: Warehouse, tmp_path: Path) -> None:
    other = Warehouse.create(tmp_path / "other")
    one, two = write(warehouse, BASE), write(other, BASE)
    assert one.snapshot.to_bytes() == two.snapshot.to_bytes()


def test_two_shards_never_share_a_segment(warehouse: Warehouse) -> None:
    files, rows = states(BASE), chunks_of(BASE, BASE)
    made = [
        warehouse.write_snapshot(shard, source_fingerprint="v1", files=files, touched=files, chunks=rows).new_segment
        for shard in ("s-00of02", "s-01of02")
    ]
    assert made[0] is not None and made[1] is not None and made[0].segment_id != made[1].segment_id


def test_content_is_equal_however_the_segments_came_about(warehouse: Warehouse, tmp_path: Path) -> None:
    write(warehouse, {"a.py": ["f one"]})
    late = write(warehouse, BASE)
    fresh = write(Warehouse.create(tmp_path / "fresh"), BASE)
    assert late.snapshot.content == fresh.snapshot.content
    assert late.snapshot.data_version != fresh.snapshot.data_version


def test_a_file_that_changed_but_was_not_read_is_refused(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    with pytest.raises(InvalidInput, match=r"not among the touched ones, first 'b\.py'"):
        warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files=states({**BASE, "b.py": ["h other"]}),
            touched=[],
            chunks=[],
        )


def test_a_new_source_fingerprint_needs_every_file(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    with pytest.raises(InvalidInput, match="2 files are new or changed"):
        warehouse.write_snapshot("s", source_fingerprint="v2", files=states(BASE), touched=[], chunks=[])
    change = warehouse.write_snapshot(
        "s", source_fingerprint="v2", files=states(BASE), touched=BASE, chunks=chunks_of(BASE, BASE)
    )
    assert (change.kept, change.new_segment) == (3, None)


def test_chunks_of_untouched_files_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(InvalidInput, match=r"a chunk of 'b\.py', which is not among the touched"):
        warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files=states({"a.py": ["f one"]}),
            touched=["a.py"],
            chunks=chunks_of(BASE, BASE),
        )


def test_a_doubled_chunk_id_names_both_places_and_leaves_the_shard(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    version = warehouse.snapshot("s")
    twin = replace(chunk("c.py", "k", "new", line=7), chunk_id=chunk("b.py", "h", "").chunk_id)
    for rows, says in (
        ([twin, replace(twin, symbol="m")], r"c\.py:7 \('m', part 0\) and to c\.py:7 \('k', part 0\)"),
        ([twin], r"belongs to c\.py:7 \('k', part 0\) and to b\.py:1 \('h', part 0\)"),
    ):
        with pytest.raises(InvalidInput, match=says):
            warehouse.write_snapshot(
                "s",
                source_fingerprint="v1",
                files=states({**BASE, "c.py": ["k new"]}),
                touched=["c.py"],
                chunks=rows,
            )
    assert warehouse.snapshot("s") == version
    assert len(warehouse.segments()) == 1


@pytest.mark.parametrize("wrong", [-1, 2**63])
def test_a_chunk_id_outside_int63_is_refused(warehouse: Warehouse, wrong: int) -> None:
    with pytest.raises(InvalidInput, match="is not an int64 from 0 on"):
        warehouse.write_snapshot(
            "s",
            source_fingerprint="v1",
            files=states({"a.py": ["f"]}),
            touched=["a.py"],
            chunks=[replace(chunk("a.py", "f", "f"), chunk_id=wrong)],
        )


def test_the_quarantine_persists_is_replaced_and_leaves_with_its_file(warehouse: Warehouse) -> None:
    bad = Quarantined("s", "bad.py", 3, "syntax", "unexpected indent")
    worse = Quarantined("s", "bad.py", 9, "syntax", "unmatched ')'")
    first = write(warehouse, {**BASE, "bad.py": []}, quarantined=[bad])
    assert [q.line for q in first.snapshot.quarantine] == [3]
    kept = write(warehouse, {**BASE, "bad.py": [], "c.py": ["k"]})
    assert [q.line for q in kept.snapshot.quarantine] == [3]
    warehouse.write_snapshot(
        "s",
        source_fingerprint="v1",
        files={**states({**BASE, "c.py": ["k"]}), "bad.py": state("bad.py", "other")},
        touched=["bad.py"],
        chunks=[worse],
    )
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None and [q.line for q in snapshot.quarantine] == [9]
    assert write(warehouse, BASE).snapshot.quarantine == ()


def test_known_files_carry_the_hints_of_the_last_scan(warehouse: Warehouse) -> None:
    files = {"a.py": state("a.py", "f one", mtime_ns=123)}
    rows = [chunk("a.py", "f", "one")]
    warehouse.write_snapshot("s", source_fingerprint="v1", files=files, touched=files, chunks=rows)
    assert warehouse.known_files("s") == files
    touched_only = {"a.py": replace(files["a.py"], mtime_ns=456)}
    warehouse.write_snapshot("s", source_fingerprint="v1", files=touched_only, touched=[], chunks=[])
    assert warehouse.known_files("s") == touched_only


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"data_version": "x", "mtime_ns": {}}', b"[1]"])
def test_damaged_hints_only_cost_a_second_look(warehouse: Warehouse, damage: bytes) -> None:
    write(warehouse, BASE)
    warehouse.layout.scan_hints("s").write_bytes(damage)
    known = warehouse.known_files("s")
    assert {path: one.sha256 for path, one in known.items()} == {p: s.sha256 for p, s in states(BASE).items()}
    assert all(one.mtime_ns == 0 for one in known.values())


def test_a_snapshot_that_does_not_match_its_name_is_refused(warehouse: Warehouse) -> None:
    change = write(warehouse, BASE)
    path = warehouse.layout.snapshot("s", change.snapshot.data_version)
    flip(path, 40)
    with pytest.raises(CorruptFile, match="shards/s/"):
        warehouse.snapshot("s")


def test_rows_stream_through_blocks_of_bounded_size(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_files, "BATCH_ROWS", 16)
    monkeypatch.setattr("xtr_assets.storage.shard_writer.BATCH_ROWS", 16)
    waiting: list[int] = []

    def stream() -> Iterator[Chunk]:
        for i in range(300):
            waiting.append(i)
            yield chunk("a.py", f"f{i}", f"text {i}")

    files = {"a.py": state("a.py", "any")}
    change = warehouse.write_snapshot("s", source_fingerprint="v1", files=files, touched=files, chunks=stream())
    assert change.new_segment is not None
    table = change.new_segment.chunks()
    assert [len(piece) for piece in table["text"].chunks] == [16] * 18 + [12]
    assert table["text"].to_pylist() == [f"text {i}" for i in range(300)]
    # Who reads a few rows of Parquet reads their group.
    with pq.ParquetFile(change.new_segment.directory / "chunks.parquet") as parquet:
        assert parquet.num_row_groups == 19
        assert parquet.read().to_pylist() == table.to_pylist()
    # The rows of a touched file are compared in the same blocks.
    again = warehouse.write_snapshot(
        "s", source_fingerprint="v1", files={"a.py": state("a.py", "next")}, touched=files, chunks=stream()
    )
    assert (again.kept, again.new_segment) == (300, None)


TEXTS = st.lists(st.sampled_from(["f a", "f b", "g a", "h c", "k d"]), max_size=4, unique_by=lambda t: t.split()[0])
CORPORA = st.dictionaries(st.sampled_from(["a.py", "b.py", "c/d.py"]), TEXTS, max_size=3)


@settings(max_examples=30)
@given(st.lists(CORPORA, min_size=1, max_size=6))
def test_after_any_changes_the_live_rows_are_those_of_a_fresh_corpus(steps: list[dict[str, list[str]]]) -> None:
    with TemporaryDirectory() as folder:
        warehouse = Warehouse.create(Path(folder) / "warehouse")
        before: dict[int, tuple[str, str]] = {}
        for corpus in steps:
            change = write(warehouse, corpus)
            after = expected(corpus)
            assert live(warehouse) == after
            assert change.deleted == len(set(before) - set(after))
            assert change.added == len(set(after) - set(before))
            assert change.kept + change.changed + change.added == len(after) == change.snapshot.live_rows
            before = after


def test_text_hashes_are_those_of_core_ids(warehouse: Warehouse) -> None:
    from xtr_assets.core.ids import text_hash

    segment = write(warehouse, BASE).new_segment
    assert segment is not None
    stored = segment.text_hashes()
    assert stored.shape == (3, 2) and stored.dtype == np.uint64
    assert stored.tobytes() == b"".join(text_hash(one.encoded) for one in chunks_of(BASE, BASE))


def large(files: int) -> dict[str, list[str]]:
    return {f"{one:03}.py": [f"f{row} of {one}" for row in range(50)] for one in range(files)}


def test_what_lives_of_a_large_segment_that_nobody_encoded_moves_out_of_it(warehouse: Warehouse) -> None:
    """A source took in too much, the build ended before it was encoded, and the configuration was corrected."""
    write(warehouse, large(30))
    corpus = {**large(3), "new.py": ["g new"]}
    change = write(warehouse, corpus)
    assert (change.added, change.changed, change.deleted, change.kept) == (1, 0, 27 * 50, 150)
    assert [(one.rows, one.dead) for one in change.snapshot.segments] == [(151, ())]
    assert live(warehouse) == expected(corpus)
    assert write(warehouse, corpus).kept == 151
    # As one that was written so at once, whatever stood there before.
    with TemporaryDirectory() as folder:
        fresh = Warehouse.create(Path(folder) / "w")
        assert write(fresh, corpus).snapshot.content == change.snapshot.content


def test_rows_move_with_their_lines_and_texts(warehouse: Warehouse) -> None:
    rows = [chunk("a.py", f"f{n}", f"text {n}", line=10 * n + 1) for n in range(5)]
    others = chunks_of(large(30), large(30))
    for shift in (0, 7):
        moved = [replace(one, start_line=one.start_line + shift, end_line=one.end_line + shift) for one in rows]
        held = {**states(large(30 if not shift else 0)), "a.py": state("a.py", str(shift))}
        change = warehouse.write_snapshot(
            "s", source_fingerprint="f", files=held, touched=held, chunks=[*moved, *([] if shift else others)]
        )
    (one,) = change.snapshot.segments
    assert (one.rows, one.dead, one.shifts, change.kept) == (5, (), (), 5)
    stored = warehouse.segment(one.segment_id).chunks().to_pylist()
    assert [(row["start_line"], row["text"]) for row in stored] == [(10 * n + 8, f"text {n}") for n in range(5)]


def test_few_dead_rows_and_blocks_that_are_encoded_stay_where_they_are(warehouse: Warehouse) -> None:
    first = write(warehouse, large(30)).new_segment
    assert first is not None
    assert write(warehouse, large(20)).snapshot.segments[0].segment_id == first.segment_id
    # Two blocks of a run that died: more than all that is dead.
    for name in ("one.npz", "two.npz"):
        (first.staging("encode.0123") / name).write_bytes(b"")
    assert write(warehouse, large(3)).snapshot.segments[0].segment_id == first.segment_id
    first.drop_staging("encode.0123")
    assert write(warehouse, large(2)).snapshot.segments[0].rows == 100

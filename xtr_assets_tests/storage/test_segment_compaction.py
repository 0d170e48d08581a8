"""Compaction moves rows and nothing else: chunk_ids, texts, vectors and tokens before and after are the same."""

from typing import Any

import numpy as np
import pytest

from xtr_assets.core import row_placement
from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.vector_files import embeddings_file, tokens_folder
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import (
    FINGERPRINT,
    draft,
    encode,
    encode_all,
    flip,
    of_two_gibibytes,
    publish,
    texts,
    write,
)


def answers(generation: Generation) -> dict[int, tuple[Any, ...]]:
    """chunk_id -> all its columns, its vector and its tokens."""
    vectors, tokens = generation.vectors(), generation.tokens()
    found = {}
    for row in generation.chunk_table().to_pylist():
        at = row.pop("row")
        vector = vectors.gather(np.array([at]))[0].tolist()
        found[row["chunk_id"]] = (tuple(row.values()), vector, tokens.document(at).tolist())
    return found


def grow(warehouse: Warehouse) -> dict[str, list[str]]:
    """Seven changes, some of which kill rows."""
    corpus: dict[str, list[str]] = {}
    for step in range(7):
        corpus[f"f{step}.py"] = [f"s{step} text", f"t{step} text", f"u{step} text"]
        if step > 1:
            corpus[f"f{step - 2}.py"] = [f"s{step - 2} changed"]
        write(warehouse, corpus)
        encode_all(warehouse)
    return corpus


def test_before_and_after_are_equal_and_the_dead_are_gone(warehouse: Warehouse) -> None:
    grow(warehouse)
    before = publish(warehouse)
    snapshot = warehouse.snapshot("s")
    plan = warehouse.plan_compaction()
    (done,) = warehouse.compact(plan)
    assert snapshot is not None and done.snapshot.content == snapshot.content
    assert done.snapshot.data_version != snapshot.data_version
    assert done.snapshot.rows == done.snapshot.live_rows == snapshot.live_rows < snapshot.rows
    after = publish(warehouse)
    assert answers(after) == answers(before) and len(answers(after)) > 5
    assert (len(after.segments), after.parent) == (1, before.number)
    assert after.segments[0].base_row == before.end_row
    assert warehouse.verify().ok


def test_the_generation_before_still_serves_after_a_rollback(warehouse: Warehouse) -> None:
    grow(warehouse)
    before = answers(publish(warehouse))
    warehouse.compact(warehouse.plan_compaction())
    publish(warehouse)
    assert answers(warehouse.rollback()) == before


def test_only_encodings_that_every_member_has_are_copied(warehouse: Warehouse) -> None:
    grow(warehouse)
    encode(warehouse.segments()[0], "77" * 32)
    (done,) = warehouse.compact(warehouse.plan_compaction())
    assert done.written[0].has_tokens(FINGERPRINT) and not done.written[0].has_embeddings("77" * 32)


def test_the_next_change_builds_on_compacted_rows(warehouse: Warehouse) -> None:
    corpus = grow(warehouse)
    warehouse.compact(warehouse.plan_compaction())
    idle = write(warehouse, corpus)
    assert (idle.new_segment, idle.kept) == (None, sum(map(len, corpus.values())))
    change = write(warehouse, {**corpus, "f0.py": ["s0 once more"]})
    assert (change.changed, change.added, change.deleted) == (1, 0, 0)


def test_the_same_compaction_makes_the_same_segment(warehouse: Warehouse) -> None:
    grow(warehouse)
    first = warehouse.snapshot("s")
    assert first is not None
    (done,) = warehouse.compact(warehouse.plan_compaction())
    warehouse.layout.current("s").write_text(f"{first.data_version}\n")
    (again,) = warehouse.compact(warehouse.plan_compaction())
    assert again.snapshot == done.snapshot


def test_a_plan_that_is_out_of_date_is_refused(warehouse: Warehouse) -> None:
    corpus = grow(warehouse)
    plan = warehouse.plan_compaction()
    write(warehouse, {path: [text + " x" for text in texts] for path, texts in corpus.items()})
    with pytest.raises(InvalidInput, match="plan again, it changed meanwhile"):
        warehouse.compact(plan)


def test_a_segment_in_two_groups_is_refused(warehouse: Warehouse) -> None:
    grow(warehouse)
    one = warehouse.segments()[0].segment_id
    with pytest.raises(InvalidInput, match="two groups"):
        warehouse.compact({"s": ((one,), (one,))})


def test_a_shard_without_waste_is_not_planned(warehouse: Warehouse) -> None:
    write(warehouse, {"a.py": ["f one"]})
    assert warehouse.plan_compaction() == {}
    assert warehouse.compact({}) == []


def test_holes_are_kept_by_a_change_and_closed_where_they_are_too_many(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse, {"a.py": ["f one", "g two"], "b.py": ["h three"]})
    publish(warehouse)
    write(warehouse, {"a.py": ["f other", "g others"], "b.py": ["h else"]})
    second = publish(warehouse)
    assert [one.base_row for one in second.manifest.segments] == [3]
    assert (second.holes, second.end_row) == (3, 6)

    def begun(holes: Holes) -> tuple[list[int], int]:
        made = draft(warehouse, holes=holes)
        assert texts(made) == texts(second)
        return [one.base_row for one in made.manifest.segments], made.end_row

    assert begun("kept") == begun("bounded") == ([3], 6)
    assert begun("closed") == ([0], 3)
    monkeypatch.setattr(row_placement, "HOLES_UNNOTICED", 2)
    assert begun("bounded") == ([3], 6)
    monkeypatch.setattr(row_placement, "HOLES_SHARE", 0.4)
    assert begun("bounded") == ([0], 3)


def test_a_segment_of_more_text_than_an_array_holds_is_compacted(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(warehouse)
    before = publish(warehouse)
    real = Segment.chunks
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "chunks", lambda segment: of_two_gibibytes(real(segment)))
        warehouse.compact(warehouse.plan_compaction())
    assert answers(publish(warehouse)) == answers(before)


@pytest.mark.parametrize("name", [embeddings_file(FINGERPRINT), f"{tokens_folder(FINGERPRINT)}/tokens.npy"])
def test_a_bit_that_flipped_is_not_copied_into_a_segment_that_verifies(warehouse: Warehouse, name: str) -> None:
    """The copy has a sha256 of its own: nobody would ever see the bit again."""
    grow(warehouse)
    before = publish(warehouse)
    plan = warehouse.plan_compaction()
    rotten = warehouse.layout.segment(plan["s"][0][0]) / name
    flip(rotten, rotten.stat().st_size - 2)
    with pytest.raises(CorruptFile, match=f"{name}: expected sha256"):
        warehouse.compact(plan)
    flip(rotten, rotten.stat().st_size - 2)
    warehouse.compact(plan)
    assert answers(publish(warehouse)) == answers(before)

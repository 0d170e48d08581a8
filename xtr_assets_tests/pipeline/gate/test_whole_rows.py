"""`rows_everywhere`, `finds_itself`, `hits_are_whole`: silent on every healthy draft, loud where rows are wrong.

`lexical_agrees` is silent there too; its own faults are in test_lexical_agrees.py.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.index.dense.recipe import add_stored
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.pipeline.gate import finds_itself, hits_are_whole, lexical_agrees, rows_everywhere
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.search.loaders import DENSE_FILE, open_dense
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import write_shard
from xtr_assets_tests.long_cases import kept
from xtr_assets_tests.pipeline.gate.drafts import (
    EVERY,
    WAYS,
    built,
    changed,
    chunks,
    newest_segment,
    postings_of,
    renumbered,
    rewrite,
    session_of,
    whole_draft,
    with_array,
    with_faiss,
)

CHECKS = (rows_everywhere, finds_itself, hits_are_whole, lexical_agrees)
faiss = load_faiss()


def findings(warehouse: Warehouse, draft: Draft) -> dict[str, Finding]:
    session = session_of(warehouse, draft)
    return {check.__name__.rpartition(".")[2]: check.check(session) for check in CHECKS}


def refused_by(warehouse: Warehouse, draft: Draft) -> set[str]:
    return {name for name, found in findings(warehouse, draft).items() if not found.passed}


def said(found: Finding) -> str:
    return " ".join(one["what"] for one in found.details["differences"])


@pytest.mark.parametrize("recipe", kept(EVERY, ("Flat", "IVF8,PQ16x4fs")))
def test_healthy_drafts_pass_whatever_happened_to_their_rows(tmp_path: Path, recipe: str) -> None:
    warehouse, draft = built(tmp_path / "w", recipe)
    write_shard(warehouse, "docs", chunks(24, source="docs"))
    states: list[Callable[[], object]] = [
        lambda: None,
        lambda: write_shard(warehouse, "code", chunks(280)[16:]),
        # Everything stands two lines further down: rows stay, their lines move.
        lambda: write_shard(warehouse, "code", chunks(280, line=3)[16:]),
        lambda: write_shard(warehouse, "docs", []),
        lambda: write_shard(warehouse, "code", chunks(40, first=240)),
        lambda: warehouse.compact(warehouse.plan_compaction()),
        lambda: write_shard(warehouse, "code", []),
        lambda: write_shard(warehouse, "code", chunks(80)),
    ]
    if recipe not in ("Flat", "SQfp16", "HNSW16"):
        # What learns from vectors cannot be made of none.
        del states[-2]
    for number, change in enumerate(states):
        change()
        draft = whole_draft(warehouse, recipe)
        for name, found in findings(warehouse, draft).items():
            assert found.passed, (number, name, found.summary, found.details)
        warehouse.publish(draft.number, force_reason="no gate in this test")


def test_one_text_many_times_and_texts_of_one_word_pass(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    same = [chunk.__class__(**{**_fields(chunk), "text": "the same words"}) for chunk in chunks(200)]
    short = [
        chunk.__class__(**{**_fields(chunk), "text": f"word{i % 7}"}) for i, chunk in enumerate(chunks(40, first=200))
    ]
    write_shard(warehouse, "code", [*same, *short])
    for recipe in ("Flat", "IVF4,SQ8", "IVF4,PQ16x4fs", "HNSW16_SQ8"):
        assert refused_by(warehouse, whole_draft(warehouse, recipe)) == set()


def test_a_row_beyond_what_the_bytes_reach_takes_no_other_rows_place(tmp_path: Path) -> None:
    """Bytes that saw copies of one text reach nothing else: the code of a text that came lies beside the copies', and
    has the larger inner product with their vector."""
    warehouse = Warehouse.create(tmp_path / "w")
    same = [
        chunk.__class__(**{**_fields(chunk), "text": f"the same words {i // 100}"})
        for i, chunk in enumerate(chunks(200))
    ]
    write_shard(warehouse, "code", same)
    warehouse.publish(whole_draft(warehouse, "IVF4,SQ8").number, force_reason="no gate in this test")
    (one,) = chunks(1, first=200)
    write_shard(warehouse, "code", [*same, one.__class__(**{**_fields(one), "text": "the same words 1 changed"})])
    found = finds_itself.check(session_of(warehouse, whole_draft(warehouse, "IVF4,SQ8")))
    assert found.passed, found.summary


def _fields(chunk: Any) -> dict[str, Any]:
    return {name: getattr(chunk, name) for name in chunk.__dataclass_fields__}


@pytest.mark.parametrize("recipe", kept(EVERY, WAYS))
def test_new_rows_that_faiss_lacks(tmp_path: Path, recipe: str) -> None:
    warehouse, draft = changed(tmp_path / "w", recipe)
    base, _, rows = newest_segment(draft)
    new = np.arange(base, base + rows)
    if recipe.startswith("HNSW"):
        with_faiss(draft, lambda index: renumbered(index, lambda old: np.where(np.isin(old, new), -1, old), faiss))
    else:
        with_faiss(draft, lambda index: index.remove_ids(faiss.IDSelectorBatch(new)) and None)
    assert {"rows_everywhere", "finds_itself"} <= refused_by(warehouse, draft)
    found = rows_everywhere.check(session_of(warehouse, draft))
    (one,) = found.details["differences"]
    assert (one["what"], one["count"]) == ("live rows that FAISS lacks", rows)
    assert one["rows"] == new[:5].tolist() and all(chunk_id >= 0 for chunk_id in one["chunk_ids"])


@pytest.mark.parametrize("recipe", kept(EVERY, WAYS))
def test_rows_of_new_entries_that_slipped_by_one(tmp_path: Path, recipe: str) -> None:
    """In a ring: the same rows are in FAISS, so that no set differs."""
    warehouse, draft = changed(tmp_path / "w", recipe)
    base, _, rows = newest_segment(draft)

    def slip(old: np.ndarray) -> np.ndarray:
        return np.where((old >= base) & (old < base + rows), base + (old - base + 1) % rows, old)

    with_faiss(draft, lambda index: renumbered(index, slip, faiss))
    assert rows_everywhere.check(session_of(warehouse, draft)).passed
    assert "finds_itself" in refused_by(warehouse, draft)


def test_rows_beyond_the_generation_and_rows_twice(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "IVF8,Flat")
    base, _, _ = newest_segment(draft)
    with_faiss(draft, lambda index: renumbered(index, lambda old: np.where(old >= base, old + 1, old), faiss))
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "rows in FAISS out of range" in said(found)
    every = findings(warehouse, draft)
    assert not any(one.passed for one in every.values()), "what cannot be opened is a finding, not a crash"
    assert "cannot be opened" in every["finds_itself"].summary
    with_faiss(draft, lambda index: renumbered(index, lambda old: np.where(old > base, base + 1, old), faiss))
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "more than once" in said(found)


DEAD_ROWS = ("Flat", "SQ8", "IVF8,Flat", "IVF8,SQ8", "IVF8,PQ16x4fs", "HNSW16")


@pytest.mark.parametrize("recipe", kept(DEAD_ROWS, ("Flat", "IVF8,PQ16x4fs", "HNSW16")))
def test_dead_rows_that_faiss_kept_are_refused_and_never_served(tmp_path: Path, recipe: str) -> None:
    warehouse, draft = changed(tmp_path / "w", recipe)
    dead = np.flatnonzero(~draft.live)
    assert len(dead) == 16
    held = draft.vectors()

    def revive(index: Any) -> None:
        if recipe.startswith("HNSW"):
            outer = faiss.downcast_index(index)
            numbers = np.array(faiss.vector_to_array(outer.id_map))
            numbers[numbers < 0] = dead
            faiss.copy_array_to_vector(numbers, outer.id_map)
        else:
            add_stored(index, held, dead)

    with_faiss(draft, revive)
    index = open_dense(draft, "cpu")
    assert not index.present[dead].any()
    _, rows = index.search(held.gather(dead), 10)
    assert (rows >= 0).all() and not np.isin(rows, dead).any()
    ids = np.concatenate([one.segment.chunk_ids() for one in draft.segments])[dead]
    with Searcher(warehouse, "cpu", generation=draft.number) as searcher:
        _, served = searcher.search_vectors(held.gather(dead), 10)
        _, filtered = searcher.search_vectors(held.gather(dead), 10, {"source": "code"})
    assert not np.isin(served, ids).any() and not np.isin(filtered, ids).any()
    found = rows_everywhere.check(session_of(warehouse, draft))
    if recipe.startswith("HNSW"):
        assert found.passed and found.details["masked_in_graph"] == 16, "a graph cannot forget: the mask covers them"
    else:
        assert not found.passed and "dead rows that FAISS has" in said(found)
    # The next generation is derived from this one, and does not inherit them.
    warehouse.publish(draft.number, force_reason="no gate in this test")
    write_shard(warehouse, "code", chunks(288)[16:])
    assert refused_by(warehouse, whole_draft(warehouse, recipe)) == set()


def test_new_rows_that_postings_lack(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    _, segment, rows = newest_segment(draft)
    folder = postings_of(draft, segment)
    # Each entry names the first document: as many entries, in bounds, none of the others listed.
    with_array(draft, f"{folder}/documents.npy", np.zeros_like)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "rows with tokens that no list names" in said(found)
    assert found.details["differences"][0]["count"] == rows - 1


def test_postings_with_a_document_beyond_its_segment(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    _, segment, rows = newest_segment(draft)
    folder = postings_of(draft, segment)
    with_array(
        draft, f"{folder}/documents.npy", lambda old: np.where(np.arange(len(old)) == 3, rows, old).astype(old.dtype)
    )
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "outside" in said(found)


def test_a_document_twice_in_one_list(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    _, segment, _ = newest_segment(draft)
    folder = postings_of(draft, segment)
    lists = np.load(draft.layout.resolve(f"{folder}/lists.npy"))
    start = int(lists[np.flatnonzero(np.diff(lists) > 1)[0]])

    def double(old: np.ndarray) -> np.ndarray:
        old[start + 1] = old[start]
        return old

    with_array(draft, f"{folder}/documents.npy", double)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "names twice" in said(found)


def _overwrite(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def test_postings_of_two_segments_swapped(tmp_path: Path) -> None:
    """Both as many documents of as many tokens each: nothing but the tokens themselves tells them apart."""
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", chunks(120))
    write_shard(warehouse, "docs", chunks(120, first=1000, source="docs"))
    draft = whole_draft(warehouse, "Flat")
    first, second = (postings_of(draft, one.segment_id) for one in draft.manifest.segments)
    for name in ("lists.npy", "documents.npy", "numbers.npy", "postings.json"):
        kept = [draft.layout.resolve(f"{folder}/{name}").read_bytes() for folder in (first, second)]
        for folder, data in zip((second, first), kept, strict=True):
            rewrite(draft, f"{folder}/{name}", partial(_overwrite, data))
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "whose tokens lie with other tokens' centroids" in said(found)


def test_exact_lists_that_name_a_dead_row_or_one_twice(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    dead = int(np.flatnonzero(~draft.live)[0])

    def name_dead(old: np.ndarray) -> np.ndarray:
        old[2, 1] = dead
        return old

    with_array(draft, "evaluation/exact_dense.npy", name_dead)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "dead rows in exact lists of dense" in said(found)
    assert found.details["differences"][0]["rows"] == [dead]

    def name_twice(old: np.ndarray) -> np.ndarray:
        old[0, 1] = old[0, 0]
        return old

    with_array(draft, "evaluation/exact_xtr.npy", name_twice)
    assert "rows twice in one exact list of xtr" in said(rows_everywhere.check(session_of(warehouse, draft)))


@pytest.mark.parametrize("fault", ["padded within", "too short", "out of order", "out of range"])
def test_exact_lists_of_another_shape(tmp_path: Path, fault: str) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat")

    def damage(old: np.ndarray) -> np.ndarray:
        if fault == "padded within":
            old[1, 0] = -1
        elif fault == "too short":
            old[1, 5:] = -1
        elif fault == "out of range":
            old[1, 0] = draft.end_row
        else:
            old[1] = old[1][::-1]
        return old

    if fault == "out of order":
        with_array(draft, "evaluation/exact_dense_scores.npy", damage)
    else:
        with_array(draft, "evaluation/exact_dense.npy", damage)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and "exact lists of dense" in said(found)


@pytest.mark.parametrize("fault", ["dead is live", "live is dead", "ids permuted", "row lost"])
def test_an_id_map_that_says_something_else(tmp_path: Path, fault: str) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")

    def write(path: Path) -> None:
        table = pq.read_table(path)
        live, ids = table["live"].to_numpy().copy(), table["chunk_id"].to_numpy().copy()
        if fault == "dead is live":
            live[np.flatnonzero(~live)[0]] = True
        elif fault == "live is dead":
            live[100] = False
        elif fault == "ids permuted":
            ids[100:110] = ids[100:110][::-1]
        table = table.set_column(table.schema.get_field_index("live"), table.schema.field("live"), pa.array(live))
        table = table.set_column(1, table.schema.field("chunk_id"), pa.array(ids))
        pq.write_table(table.slice(0, len(table) - (fault == "row lost")), path)

    rewrite(draft, ID_MAP_NAME, write)
    assert "rows_everywhere" in refused_by(warehouse, draft)


def test_tombstones_that_forget_a_dead_row(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    with_array(draft, "tombstones.npy", np.zeros_like)
    fresh = Draft.open(draft.layout, draft.number)
    found = rows_everywhere.check(session_of(warehouse, fresh))
    assert not found.passed and "dead rows that the tombstones has" in said(found)


def _arrow(draft: Draft, segment: str, change: Callable[[pa.Table], pa.Table]) -> None:
    def write(path: Path) -> None:
        table = change(pa.ipc.open_file(path).read_all())
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())

    rewrite(draft, f"segments/{segment}/chunks.arrow", write)


def test_arrow_rows_that_turned_by_one(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    _, segment, _ = newest_segment(draft)
    _arrow(draft, segment, lambda table: pa.concat_tables([table.slice(1), table.slice(0, 1)]))
    found = hits_are_whole.check(session_of(warehouse, Draft.open(draft.layout, draft.number)))
    assert not found.passed and found.value is not None and found.value > 0
    assert found.details["wrong"][0]["column"] in ("chunk_id", "symbol")


@pytest.mark.parametrize(("column", "named"), [("text", "text"), ("path", "path"), ("start_line", "start_line")])
def test_arrow_columns_that_are_another_rows(tmp_path: Path, column: str, named: str) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat")
    _, segment, _ = newest_segment(draft)

    def swap(table: pa.Table) -> pa.Table:
        turned = pa.concat_arrays([table[column].combine_chunks().slice(1), table[column].combine_chunks().slice(0, 1)])
        return table.set_column(table.schema.get_field_index(column), table.schema.field(column), turned)

    _arrow(draft, segment, swap)
    found = hits_are_whole.check(session_of(warehouse, Draft.open(draft.layout, draft.number)))
    assert not found.passed and any(one["column"] == named for one in found.details["wrong"])


def test_shifts_that_search_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat")
    warehouse.publish(draft.number, force_reason="no gate in this test")
    write_shard(warehouse, "code", chunks(240, line=5))
    draft = whole_draft(warehouse, "Flat")
    assert any(one.shifts for one in draft.manifest.segments)
    assert hits_are_whole.check(session_of(warehouse, draft)).passed
    monkeypatch.setattr("xtr_assets.storage.row_hydration.shift_at", lambda shifts, position: 0)
    found = hits_are_whole.check(session_of(warehouse, draft))
    assert not found.passed and found.details["wrong"][0]["column"] == "start_line"


def test_a_faiss_file_of_no_vectors_at_all(tmp_path: Path) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat")
    with_faiss(draft, lambda index: index.reset())
    assert {"rows_everywhere", "finds_itself"} <= refused_by(warehouse, draft)


def test_what_the_parent_proved_is_not_read_again(tmp_path: Path) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat")
    found = rows_everywhere.check(session_of(warehouse, draft))
    keys = tuple(draft.manifest.profile)
    draft.record_check(
        "rows_everywhere", passed=found.passed, value=0.0, threshold=0.0, subject=(DENSE_FILE,), profile_keys=keys
    )
    # What was forced vouches for nothing: this parent passed its gate.
    warehouse.publish(draft.number, required=[RequiredCheck("rows_everywhere", 1, (DENSE_FILE,), keys)])
    write_shard(warehouse, "code", chunks(248))
    after = rows_everywhere.check(session_of(warehouse, whole_draft(warehouse, "Flat")))
    assert after.passed
    assert (found.details["postings_vouched_for"], after.details["postings_vouched_for"]) == (0, 1)

"""The dense index of a draft: by delta, and tuned anew when small changes have added up."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import DenseConfig, IndexConfig, RecallConfig
from xtr_assets.core.types import Chunk
from xtr_assets.index import DenseIndex
from xtr_assets.pipeline.derive.dense_index import DenseReport, derive_dense
from xtr_assets.pipeline.queries.tuning_queries import (
    RETUNE_SHARE,
    TUNING_QUERIES,
    keep_tuning,
    read_tuning,
    tuning_goal,
)
from xtr_assets.search.loaders import open_dense
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, SOURCES, encode, session, write_shard

ROWS = 400
CONFIG = DenseConfig(recipe="IVF16,SQ8")
RECALL = RecallConfig(dense=0.9)


def chunks(edition: dict[int, int]) -> Iterator[Chunk]:
    """ROWS chunks; `edition` changes the text of some, a negative one to another topic."""
    random = np.random.default_rng(3)
    for i in range(ROWS):
        words = " ".join(f"word{n}" for n in random.integers(0, 300, 12))
        if edition.get(i, 0) < 0:
            words = " ".join(f"{10**9 + n}" for n in random.integers(0, 9, 12))
        text = f"{words} edition{edition.get(i, 0)}"
        yield Chunk(i, "code", f"file{i}.py", f"name{i}", "function", 0, 1, 2, "", text)


def derived(
    warehouse: Warehouse,
    edition: dict[int, int],
    *,
    with_queries: bool = True,
    config: DenseConfig = CONFIG,
    first_line: int = 1,
    recall: RecallConfig = RECALL,
) -> tuple[Generation, DenseReport]:
    """Publish a generation of these chunks, its dense index alone."""
    moved = [replace(one, start_line=first_line, end_line=first_line + 1) for one in chunks(edition)]
    write_shard(warehouse, "code", moved)
    snapshot = warehouse.snapshot("code")
    assert snapshot is not None
    for one in snapshot.segments:
        segment = warehouse.segment(one.segment_id)
        if not segment.has_embeddings(ENCODER.fingerprint):
            encode(segment, ENCODER)
    draft = warehouse.draft(
        "test",
        encoder=ENCODER.describe(),
        fingerprint=ENCODER.fingerprint,
        snapshots={"code": snapshot.data_version},
        notes={SETTINGS_NOTE: {"recall": recall.model_dump(), "dense": config.model_dump()}},
    )
    if with_queries:
        texts = [chunk.text[:40] for chunk in chunks({})][::8]
        keep_tuning(warehouse, draft, ENCODER.encode_queries(texts))
    report = derive_dense(session(draft, IndexConfig(sources=SOURCES, dense=config, recall=recall)))
    return warehouse.publish(draft.number, force_reason="no gate in this test"), report


def test_the_profile_is_tuned_for_fewer_misses_than_the_gate_allows(tmp_path: Path) -> None:
    generation, report = derived(Warehouse.create(tmp_path / "w"), {})
    assert report.tuned
    asked = read_tuning(generation)
    assert asked is not None and len(asked) < TUNING_QUERIES
    goal = generation.manifest.profile["dense"]["goal"]
    assert goal == pytest.approx(tuning_goal(0.9, len(asked))) and goal >= tuning_goal(0.9) > 0.95


def test_small_changes_keep_the_profile_until_they_add_up(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    derived(warehouse, {})
    edition: dict[int, int] = {}
    tuned, counts = [], []
    # Each changed chunk is a row removed and a row added; RETUNE_SHARE of 400 rows are 20.
    for step in range(1, 5):
        edition |= dict.fromkeys(range(4 * step, 4 * step + 4), step)
        generation, report = derived(warehouse, edition)
        assert (report.how, report.removed, report.added) == ("evolved", 4, 4)
        tuned.append(report.tuned)
        counts.append(generation.manifest.recipe["dense"]["changed_since_tuned"])
    assert RETUNE_SHARE * ROWS == 20
    assert tuned == [False, False, True, False]
    assert counts == [8, 16, 0, 8]


def test_another_recall_that_is_asked_for_tunes_at_once(tmp_path: Path) -> None:
    # The same chunks throughout: the gate would hold a profile of the goal before against the new one, and refuse.
    warehouse = Warehouse.create(tmp_path / "w")
    asked = [RecallConfig(dense=one, k=k) for one, k in ((0.5, 10), (0.9, 10), (0.5, 10), (0.5, 50))]
    found = [derived(warehouse, {}, recall=recall)[0].manifest.profile["dense"] for recall in asked]
    assert [(one["goal"], one["k"]) for one in found] == [(tuning_goal(r.dense, 50), r.k) for r in asked]
    assert found[0] == found[2] and found[0]["nprobe"] < found[1]["nprobe"], "what was changed back costs what it did"
    assert min(one["recall"] - one["goal"] for one in found) >= 0
    # A first build is tuned for the k that its gate asks for.
    fresh, _ = derived(Warehouse.create(tmp_path / "fresh"), {}, recall=asked[-1])
    assert fresh.manifest.profile["dense"] == found[-1]


def test_a_profile_of_another_k_than_was_noted_is_tuned_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a release that tuned for ten results whatever `recall.k` said."""
    warehouse = Warehouse.create(tmp_path / "w")
    with monkeypatch.context() as patch:
        tune = DenseIndex.tune
        patch.setattr(DenseIndex, "tune", lambda index, queries, **asked: tune(index, queries, **{**asked, "k": 10}))
        derived(warehouse, {}, recall=RecallConfig(dense=0.9, k=50))
    kept, report = derived(warehouse, {}, recall=RecallConfig(dense=0.9, k=50))
    assert report.tuned and kept.manifest.profile["dense"]["k"] == 50
    assert not derived(warehouse, {}, recall=RecallConfig(dense=0.9, k=50))[1].tuned


def test_a_recipe_that_is_asked_for_no_more_and_another_target_are_planned_at_once(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    derived(warehouse, {})
    generation, report = derived(warehouse, {}, config=DenseConfig())
    assert generation.manifest.recipe["dense"]["recipe"] == "Flat" and report.how == "built"
    assert report.reason.startswith("`dense.recipe` changed from IVF16,SQ8 to auto")
    _, report = derived(warehouse, {}, config=DenseConfig())
    assert report.how == "evolved"
    _, report = derived(warehouse, {}, config=DenseConfig(target="gpu"))
    assert report.reason.startswith("`dense.target` changed from cpu to gpu")


def test_chunks_that_only_moved_down_their_file_wear_nothing_out(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    derived(warehouse, {})
    generation, report = derived(warehouse, {0: 1}, first_line=5)
    assert (report.removed, report.added) == (1, 1), "their lines move, the rows stay"
    assert not report.tuned
    assert generation.manifest.recipe["dense"]["changed_since_tuned"] == 2


def test_nothing_is_tuned_without_queries(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    derived(warehouse, {}, with_queries=False)
    before = warehouse.published
    generation, report = derived(warehouse, dict.fromkeys(range(50), 1), with_queries=False)
    assert before is not None
    assert not report.tuned
    assert generation.manifest.profile["dense"] == before.manifest.profile["dense"]
    assert generation.manifest.recipe["dense"]["changed_since_tuned"] == 100


def test_lists_that_new_topics_do_not_fit_are_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "xtr_assets.core.recipe_shortlist._cpu_options", lambda *_: [("IVF16,SQ8", "as the test wants it")]
    )
    auto = DenseConfig(recipe="auto")
    warehouse = Warehouse.create(tmp_path / "w")
    derived(warehouse, {}, config=auto)
    _, unchanged = derived(warehouse, dict.fromkeys(range(30), 1), config=auto)
    assert unchanged.how == "evolved" and unchanged.tuned
    other, report = derived(warehouse, dict.fromkeys(range(200), -1), config=auto)
    assert (report.how, report.tuned) == ("repaired", True)
    assert "lists learnt anew" in report.reason
    assert other.manifest.recipe["dense"]["changed_since_tuned"] == 0
    index = open_dense(other, "cpu")
    rows = np.flatnonzero(other.live)
    _, found = index.search(other.vectors().gather(rows), 1, nprobe=1)
    assert (found[:, 0] == rows).mean() > 0.95, "a row lies where a query for it looks"
    # By name it is somebody's choice, and keeps its number of lists.
    named = Warehouse.create(tmp_path / "n")
    derived(named, {})
    _, kept = derived(named, dict.fromkeys(range(200), -1))
    assert kept.how == "evolved" and kept.tuned

"""Tokens that the centroids never saw: measured beside those they were learnt from, and a cause to learn anew."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import IndexConfig
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.types import Chunk
from xtr_assets.index.late.training import train
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate import token_drift
from xtr_assets.pipeline.gate.drift import DRIFT_NOTE, measured_drift, read_drift
from xtr_assets.pipeline.gate.token_drift import residual
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import SOURCES, drafted, make_chunk, write_shard
from xtr_assets_tests.fixtures import record as run

ROWS = 300


def prose(topic: str, count: int, first: int = 0) -> list[Chunk]:
    """Chunks about a topic: its own 40 words, drawn anew for each."""
    random = np.random.default_rng(first)
    texts = [" ".join(f"{topic}{n}" for n in random.integers(0, 40, 30)) for _ in range(count)]
    return [make_chunk(f"{topic}{first + i}.py", "f", text) for i, text in enumerate(texts)]


def published(
    warehouse: Warehouse, chunks: list[Chunk], *, afresh: bool = False, scan: bool = False
) -> tuple[Generation, CheckRecord]:
    """A generation of these chunks, with its token drift."""
    write_shard(warehouse, "code", chunks)
    draft = drafted(warehouse)
    if afresh:
        derive_tokens(DraftSession(warehouse, draft, IndexConfig(sources=SOURCES), afresh=True))
    draft.set_profile("xtr", {**draft.manifest.profile["xtr"], "scan": scan})
    parent = None if draft.parent is None else warehouse.generation(draft.parent)
    record = run(draft, "token_drift")
    drift = measured_drift(draft, parent)
    notes = {} if drift is None else {DRIFT_NOTE: asdict(drift)}
    return warehouse.publish(draft.number, force_reason="no gate in this test", notes=notes), record


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    # So small a corpus is read whole by every search, where nothing drifts.
    monkeypatch.setattr(token_drift, "SCAN_TOKENS", 0)
    return Warehouse.create(tmp_path / "w")


def test_more_of_the_same_is_no_drift_and_another_topic_is(warehouse: Warehouse) -> None:
    corpus = prose("a", ROWS)
    first, record = published(warehouse, corpus)
    assert (record.passed, record.value) == (True, None)
    corpus += prose("a", 60, ROWS)
    second, same = published(warehouse, corpus)
    assert same.value is not None
    assert same.passed and same.value < 1.1
    corpus += prose("b", 200)
    third, other = published(warehouse, corpus)
    assert other.value is not None
    assert not other.passed and other.value > token_drift.LIMIT
    assert "7800 of 16800 tokens came since" in other.details["summary"]
    # The baseline is that of the training, whatever came between.
    assert {one.manifest.recipe["xtr"]["model"] for one in (first, second, third)} == {other.details["model"]}
    assert record.details["residual"] == other.details["residual"]

    found = read_drift(third)
    assert found is not None
    assert found.tokens == other.value
    (cause,) = found.causes
    assert cause.startswith(f"tokens {other.value:.3f} > 1.2")

    retrained, mended = published(warehouse, corpus, afresh=True)
    assert retrained.manifest.recipe["xtr"]["model"] != other.details["model"]
    assert mended.passed
    assert asdict(read_drift(retrained) or found)["tokens"] in (None, found.tokens)


def test_few_new_tokens_and_small_corpora_are_not_measured(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prose("a", ROWS)
    published(warehouse, corpus)
    few = corpus + prose("b", 10)
    _, record = published(warehouse, few)
    assert (record.passed, record.value) == (True, None)
    assert "only 300 of 9300 tokens came" in record.details["summary"]
    monkeypatch.setattr(token_drift, "SCAN_TOKENS", 65_536)
    generation, record = published(warehouse, few + prose("c", 200))
    assert record.value is None
    assert "are read whole by every search" in record.details["summary"]
    assert read_drift(generation) is None


def test_an_index_that_scans_by_plan_does_not_drift(warehouse: Warehouse) -> None:
    corpus = prose("a", ROWS)
    published(warehouse, corpus, scan=True)
    generation, record = published(warehouse, corpus + prose("b", 200), scan=True)
    assert (record.passed, record.value) == (True, None)
    assert "15000 tokens are read whole by every search" in record.details["summary"]
    assert read_drift(generation) is None
    # Measured once it does not, beside what the centroids were learnt from.
    _, other = published(warehouse, corpus + prose("b", 201))
    assert other.value is not None and other.value > token_drift.LIMIT


def test_a_residual_is_the_distance_to_the_nearest_centroid() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((400, 16)).astype(np.float32)
    part = TokenPart(0, vectors, None, np.arange(0, 401, 4, dtype=np.int64))
    tokens = RowTokens([part], 16)
    model = train(tokens)
    far = vectors[:, None] - model.mean - model.centroid_vectors[None]
    expected = np.sqrt((far**2).sum(axis=2).min(axis=1).mean())
    assert residual(model, tokens) == pytest.approx(expected, rel=0.01)
    assert residual(model, RowTokens([], 16)) == 0.0

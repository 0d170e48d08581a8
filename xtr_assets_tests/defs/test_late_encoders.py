"""Somebody's own late-interaction model through the whole graph, upgraded to another kind, and taken back."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from xtr_assets.config import (
    EncoderConfig,
    EncoderPair,
    EndpointConfig,
    HashingConfig,
    IndexConfig,
    LateInteractionConfig,
    SentenceTransformersConfig,
    SourceConfig,
    XtrConfig,
)
from xtr_assets.config.encoder_kinds import parse_encoder
from xtr_assets.core.maxsim import maxsim
from xtr_assets.core.types import encoded_text
from xtr_assets.defs.factory import build_index_defs
from xtr_assets.defs.in_process import build
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.late_interaction import LateInteraction
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import write_pages
from xtr_assets_tests.encoders.late_models import TOKEN_DIM, TOPICS, VERBS, draw, write_dense, write_pylate, write_xtr

QUESTION = "The volcano burns at noon"
# Between a document in float16 and the same in eight bits, and the query in bf16.
NEAR = 0.01


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(tmp_path_factory.mktemp("pages"), TOPICS[:4], VERBS)


def index(corpus: Path, warehouse: Path, tokens: LateInteractionConfig | XtrConfig) -> IndexConfig:
    source = SourceConfig(name="pages", kind="text", path=corpus)
    encoder = parse_encoder({"dense": {"kind": "hashing", "dim": 48}, "tokens": tokens.model_dump()})
    return IndexConfig(name="late", warehouse=warehouse, sources=(source,), encoder=encoder)


@pytest.mark.parametrize(
    "encoder",
    [
        LateInteractionConfig(model="/nowhere"),
        SentenceTransformersConfig(model="owner/name", revision="0" * 40),
        EncoderPair(dense=HashingConfig(), tokens=LateInteractionConfig(model="/nowhere")),
        EncoderPair(dense=HashingConfig(token_dim=0)),
        EndpointConfig(url="https://host/v1", model="one", dim=8),
    ],
    ids=lambda one: type(one).__name__,
)
def test_settings_of_any_kind_reach_a_run(encoder: EncoderConfig, instance: dg.DagsterInstance) -> None:
    source = SourceConfig(name="pages", kind="text", path=Path("/nowhere"))
    defs = build_index_defs(IndexConfig(name="late", warehouse=Path("/none"), sources=(source,), encoder=encoder))
    found = (defs.resources or {})["encoder"]
    seen: list[EncoderConfig] = []

    @dg.op(required_resource_keys={"encoder"})
    def look(context: dg.OpExecutionContext) -> None:
        seen.append(parse_encoder(context.resources.encoder.settings))

    @dg.job(resource_defs={"encoder": found})
    def run() -> None:
        look()

    assert run.execute_in_process(instance=instance).success
    assert seen == [encoder]


def best_by_late_interaction(root: Path, tokens: LateInteractionConfig | XtrConfig, token_dim: int) -> str:
    """The path of the first hit, after holding every hit's score against MaxSim of the encoder's own vectors."""
    encoder = open_encoder(tokens)
    (query,) = encoder.encode_queries([QUESTION]).tokens
    with Searcher(root, "cpu") as searcher:
        assert searcher.manifest.encoder.token_dim == token_dim
        hits = searcher.search(QUESTION, 24, "xtr")
        assert searcher.search(QUESTION, 3, "hybrid")[0].path == "volcano-burns.md"
    assert len(hits) == 24
    documents = encoder.encode_documents([encoded_text(hit.title, hit.text) for hit in hits])
    expected = maxsim(query, documents.tokens, documents.offsets)
    assert np.abs(np.array([hit.score for hit in hits]) - expected).max() < NEAR
    return hits[0].path


def test_a_model_is_built_and_scores_are_maxsim(corpus: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    root, folder = tmp_path / "warehouse", write_pylate(tmp_path / "colbert")
    write_dense(folder / "1_Dense", draw(40, 32))
    colbert = LateInteractionConfig(model=str(folder), expansion=False)
    first = build(index(corpus, root, colbert), instance)
    assert first.ok and first.built == 1, first.failed
    assert best_by_late_interaction(root, colbert, 40) == "volcano-burns.md"


# The change from one kind to another, and back without encoding, is told in test_encoder_upgrade.py too.
@pytest.mark.long
def test_a_model_is_built_replaced_by_another_kind_and_taken_back_without_encoding(
    corpus: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, folder = tmp_path / "warehouse", write_pylate(tmp_path / "colbert")
    write_dense(folder / "1_Dense", draw(40, 32))
    colbert = LateInteractionConfig(model=str(folder), expansion=False)
    first = build(index(corpus, root, colbert), instance)
    assert first.ok and first.built == 1, first.failed
    assert best_by_late_interaction(root, colbert, 40) == "volcano-burns.md"
    assert build(index(corpus, root, colbert), instance).built is None, "the same settings are the same generation"

    xtr = XtrConfig(model=str(write_xtr(tmp_path / "xtr")))
    second = build(index(corpus, root, xtr), instance)
    assert second.ok and second.built == 2, second.failed
    assert "the encoder changed" in second.reason
    best_by_late_interaction(root, xtr, TOKEN_DIM)

    def encodes(*_: Any, **__: Any) -> None:
        raise AssertionError("a rollback encodes nothing")

    with monkeypatch.context() as rolled:
        rolled.setattr(LateInteraction, "encode_documents", encodes)
        Warehouse.open(root).rollback(reason="the first one again")
        with Searcher(root, "cpu") as searcher:
            assert searcher.search(QUESTION, 1, "xtr")[0].path == "volcano-burns.md"

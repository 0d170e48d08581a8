"""Another encoder, end to end: two kinds as one, built through Dagster, gated, published, searched, and rolled back."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import numpy as np
import pytest

pytest.importorskip("tokenizers", reason='needs tokenizers: pip install "xtr-assets[minilm]"')

from xtr_assets.config import (
    EncoderConfig,
    EncoderPair,
    EndpointConfig,
    HashingConfig,
    IndexConfig,
    SourceConfig,
    StaticConfig,
)
from xtr_assets.core.errors import EncoderMismatch
from xtr_assets.defs.in_process import build
from xtr_assets.encoders import endpoint, open_encoder
from xtr_assets.encoders.embeddings_client import EmbeddingsClient
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.encoders.static_table import StaticTable
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import write_pages
from xtr_assets_tests.encoders.tiny_models import static_model

TOPICS = ("ferry", "harvest", "volcano", "choir", "satellite")
VERBS = ("closes", "opens", "moves", "waits", "burns")
QUESTION = "volcano burns"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(tmp_path_factory.mktemp("pages"), TOPICS, VERBS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = (*TOPICS, *VERBS, "the", "at", "noon", "as", "notice", "number", "of", "says")
    return static_model(tmp_path_factory.mktemp("models") / "static", words=words)


def index(corpus: Path, warehouse: Path, encoder: EncoderConfig) -> IndexConfig:
    source = SourceConfig(name="pages", kind="text", path=corpus)
    return IndexConfig(name="kinds", warehouse=warehouse, sources=(source,), encoder=encoder)


class Served:
    """A server of embeddings in this process: the hashing encoder's, behind HTTP."""

    sign = 1.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        made = Hashing(64, 0).encode_queries(json.loads(request.content)["input"]).embeddings * self.sign
        return httpx.Response(200, json={"data": [{"embedding": row.tolist()} for row in made]})


def served(config: EndpointConfig) -> EmbeddingsClient:
    return EmbeddingsClient(config, httpx.MockTransport(Served().answer))


def best(warehouse: Path, **settings: Any) -> dict[str, str]:
    """The best hit of each mode."""
    with Searcher(warehouse, "cpu", **settings) as searcher:
        return {mode: searcher.search(QUESTION, 1, mode)[0].path for mode in ("dense", "xtr", "hybrid")}


def test_two_kinds_serve_as_one_and_the_one_before_comes_back_without_encoding(
    corpus: Path, table: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, expected = tmp_path / "warehouse", dict.fromkeys(("dense", "xtr", "hybrid"), "volcano-burns.md")
    monkeypatch.setattr(endpoint, "EmbeddingsClient", served)
    before = EncoderPair(dense=EndpointConfig(url="http://models.test/v1", model="m", dim=64), tokens=HashingConfig())
    first = build(index(corpus, root, before), instance)
    assert first.ok, first.failed
    assert best(root) == expected

    after = EncoderPair(dense=StaticConfig(model=table), tokens=HashingConfig())
    second = build(index(corpus, root, after), instance)
    assert second.ok and second.built == 2, second.failed
    assert "the encoder changed" in second.reason
    warehouse = Warehouse.open(root)
    published = warehouse.published
    assert published is not None
    assert all(record.passed for record in published.manifest.checks.values())
    assert {"encoder_canary", "vectors_are_the_texts", "known_item"} <= set(published.manifest.checks)
    told = published.manifest.encoder.model_dump()
    assert (told["dim"], told["token_dim"]) == (32, 32)
    assert (told["dense"]["kind"], told["tokens"]["kind"]) == ("static", "hashing")
    assert len(json.loads((root / "warehouse.json").read_text())["encoders"]) == 2
    assert best(root) == expected
    # What is stored is what the table says, and the tokens are the hashing encoder's.
    pages = sorted(corpus.iterdir())
    made = StaticTable(StaticConfig(model=table)).encode_queries([page.read_text("utf-8") for page in pages]).embeddings
    with Searcher(root, "cpu") as searcher:
        hit = searcher.search(QUESTION, 1)[0]
        stored = searcher.reconstruct([hit.chunk_id])[0]
        alike = made @ stored.embedding
        assert pages[int(alike.argmax())].name == hit.path and alike.max() > 0.98
        words = Hashing().encode_documents([hit.text]).tokens[-1].astype(np.float32)
        assert float((stored.tokens @ words).max()) > 0.99

    assert build(index(corpus, root, after), instance).built is None
    with monkeypatch.context() as rolled:
        for kind in (StaticTable, Hashing):
            rolled.setattr(kind, "encode_documents", None)
        Warehouse.open(root).rollback(reason="the old one again")
        assert best(root) == expected
        assert best(root, generation=2) == expected
    serving = Warehouse.open(root).published
    assert serving is not None and serving.number == 1

    # The model behind the address becomes another one: found before a changed page is encoded.
    monkeypatch.setattr(Served, "sign", -1.0)
    open_encoder(before).parts["dense"]._checked = None  # type: ignore[attr-defined]
    with pytest.raises(EncoderMismatch, match="for the pinned text"):
        best(root)
    page = corpus / "volcano-burns.md"
    page.write_text(page.read_text("utf-8") + "\nIt burns again.\n", "utf-8")
    with pytest.raises(EncoderMismatch, match="for the pinned text"):
        build(index(corpus, root, before), instance)

"""What a warehouse says of its encoder opens it, of any kind; but nothing is run or sent on its word alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import (
    EncoderPair,
    EndpointConfig,
    HashingConfig,
    IndexConfig,
    PythonConfig,
    SourceConfig,
    XtrConfig,
    trust,
)
from xtr_assets.core.errors import ConfigError, EncoderMismatch, InvalidInput, UnknownFormat
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.encoders.encoder_pair import Paired
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.search import Searcher
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse

OWN = PythonConfig(kind="python:xtr_assets_tests.search.test_query_encoder_kinds:make", settings={"dim": 24})
called: list[int] = []


def make(dim: int) -> Hashing:
    called.append(dim)
    return Hashing(dim, 16)


class Info:
    """An encoder's record, as a manifest gives it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = json.loads(json.dumps(told))

    def model_dump(self) -> dict[str, Any]:
        return dict(self.told)


def generation(told: dict[str, Any], fingerprint: str) -> Any:
    manifest = SimpleNamespace(encoder=Info(told), notes={})
    return SimpleNamespace(manifest=manifest, fingerprint=fingerprint, number=3)


@pytest.fixture
def unvouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_vouched", set())
    called.clear()


def vouch(encoder: PythonConfig | EndpointConfig | EncoderPair) -> None:
    IndexConfig(sources=(SourceConfig(name="s", kind="text", path=Path("x")),), encoder=encoder)


def test_code_is_run_where_a_configuration_here_names_it(unvouched: None) -> None:
    encoder = open_fresh(OWN)
    asked = generation(encoder.describe(), encoder.fingerprint)
    called.clear()
    with pytest.raises(ConfigError, match=r"generation 3 would run python:.*:make, which no configuration here names"):
        QueryEncoder("cpu").of(asked)
    assert not called
    vouch(OWN)
    assert QueryEncoder("cpu").of(asked).dim == 24
    with pytest.raises(EncoderMismatch, match="fingerprint ffffffff"):
        QueryEncoder("cpu").of(generation(encoder.describe(), "f" * 64))


def test_it_is_run_where_the_caller_gives_it(unvouched: None) -> None:
    encoder = open_fresh(OWN)
    assert QueryEncoder("cpu", OWN).of(generation(encoder.describe(), encoder.fingerprint)).dim == 24
    for wrong in (encoder, OWN.kind, OWN.model_dump()):
        with pytest.raises(InvalidInput, match=r"pass that of a configuration, .*load_config"):
            QueryEncoder.given(wrong, "cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("paired", [False, True])
def test_no_key_goes_where_a_warehouse_says(unvouched: None, paired: bool) -> None:
    endpoint = EndpointConfig(url="https://models.test/v1", model="m", dim=16, key="$AWS_SECRET_ACCESS_KEY")
    told: dict[str, Any] = {"name": "m", **endpoint.model_dump(mode="json")}
    if paired:
        told = {"name": "m", "kind": "pair", "dense": told, "tokens": Hashing(0, 16).describe()}
    with pytest.raises(ConfigError, match=r"send texts and \$AWS_SECRET_ACCESS_KEY to https://models.test/v1"):
        QueryEncoder("cpu").of(generation(told, "a" * 64))
    vouch(endpoint.model_copy(update={"url": "https://other.test/v1"}))
    with pytest.raises(ConfigError, match="no configuration here names"):
        QueryEncoder("cpu").of(generation(told, "a" * 64))


def test_pickles_and_code_of_models_need_a_word_too(unvouched: None) -> None:
    told = {"name": "x", **XtrConfig(model="/models/x", trust_pickle=True).model_dump(mode="json")}
    with pytest.raises(ConfigError, match="read pickles of /models/x"):
        QueryEncoder("cpu").of(generation(told, "a" * 64))


def test_a_pair_is_opened_from_its_record() -> None:
    config = EncoderPair(dense=HashingConfig(dim=24), tokens=HashingConfig(dim=0, token_dim=16))
    pair = open_encoder(config)
    found = QueryEncoder("cpu").of(generation(pair.describe(), pair.fingerprint))
    assert (found.dim, found.token_dim) == (24, 16)
    alone = Paired(Hashing(24), None)
    found = QueryEncoder("cpu").of(generation(alone.describe(), alone.fingerprint))
    assert (found.legs, found.token_dim) == (frozenset({"dense"}), 0)


def test_a_kind_of_tomorrow_is_named(unvouched: None) -> None:
    with pytest.raises(UnknownFormat, match="'n' of kind 'quantum' is none that this release opens"):
        QueryEncoder("cpu").of(generation({"name": "n", "kind": "quantum"}, "a" * 64))


class Broken(Hashing):
    """An encoder of somebody's own that goes wrong about questions."""

    def __init__(self, spoil: Callable[[EncodedQueries], EncodedQueries]) -> None:
        super().__init__(ENCODER.dim, ENCODER.token_dim)
        self.spoil = spoil

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        return self.spoil(super().encode_queries(texts))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    chunks = [make_chunk("a.py", "f", "gather all tasks"), make_chunk("b.py", "g", "wait")]
    return new_warehouse(tmp_path_factory.mktemp("two") / "w", chunks)


@pytest.mark.parametrize(
    ("spoil", "mode", "error"),
    [
        (lambda made: replace(made, embeddings=made.embeddings * np.nan), "dense", "query 0 holds NaN"),
        (lambda made: replace(made, embeddings=made.embeddings[:, :-1]), "hybrid", "dim 64 in the index, 63 in the q"),
        (lambda made: replace(made, embeddings=made.embeddings.repeat(99, 1)), "exact", "64 in the index, 6336 in the"),
        (lambda made: replace(made, tokens=tuple(t[:, 1:] for t in made.tokens)), "xtr", "dim 32 in the index, 31 in"),
        (lambda made: replace(made, embeddings=made.embeddings[:0]), "dense", "vectors of 0 queries for 1"),
        (lambda made: replace(made, tokens=made.tokens * 2), "xtr", "vectors of 2 queries for 1"),
    ],
)
def test_vectors_of_a_question_that_are_none_are_refused(
    two: Warehouse, spoil: Callable[[EncodedQueries], EncodedQueries], mode: Mode, error: str
) -> None:
    """Of so few rows all are scored, which asked no index: NaN found nothing, and another dim read others' memory."""
    with Searcher(two, "cpu") as searcher:
        searcher.encoder._encoder = Broken(spoil)
        with pytest.raises((EncoderMismatch, InvalidInput), match=error):
            searcher.search("gather", 2, mode)

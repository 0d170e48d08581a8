"""Questions of the checks: what search makes of a text, made once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.plan.asked_texts import AskedTexts
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets_tests.fixtures import ENCODER


class Told(Hashing):
    """Notes what it is given."""

    def __init__(self, sign: int) -> None:
        super().__init__(ENCODER.dim, ENCODER.token_dim)
        self.given: list[list[str]] = []
        self.sign = np.float32(sign)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        self.given.append(list(texts))
        made = super().encode_queries(list(texts))
        return EncodedQueries(made.embeddings * self.sign, made.tokens, made.token_ids)


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Told]:
    held = {"one": Told(1), "other": Told(-1)}
    monkeypatch.setattr(QueryEncoder, "of", lambda _, generation: held[generation.fingerprint])
    return held


def encoded_by(name: str) -> Any:
    return SimpleNamespace(fingerprint=name, manifest=SimpleNamespace(encoder=ENCODER, recipe={}))


def test_a_text_is_encoded_once_alone_and_once_among_others(encoders: dict[str, Told]) -> None:
    asked, plain = AskedTexts("cpu"), QueryEncoder("cpu")
    one = encoded_by("one")
    groups = (["red fox", "blue sky", "red fox"], ["blue sky"], ["a third", "blue sky"], ["blue sky"])
    found = [asked.encode(one, texts, ("dense", "xtr", "lexical")) for texts in groups]
    assert encoders["one"].given == [["red fox", "blue sky"], ["blue sky"], ["a third"]]
    for texts, mine in zip(groups, found, strict=True):
        for here, there in zip(mine, plain.encode(one, texts, ("dense", "xtr", "lexical")), strict=True):
            np.testing.assert_array_equal(here.embedding, there.embedding)
            np.testing.assert_array_equal(here.tokens, there.tokens)
            np.testing.assert_array_equal(here.token_ids, there.token_ids)
            assert here.terms == there.terms


def test_what_another_encoder_made_of_a_text_is_no_answer(encoders: dict[str, Told]) -> None:
    asked = AskedTexts("cpu")
    (mine,), (theirs,) = (asked.encode(encoded_by(name), ["red fox"], ("dense",)) for name in ("one", "other"))
    assert mine.embedding is not None and theirs.embedding is not None
    np.testing.assert_array_equal(mine.embedding, -theirs.embedding)
    assert [len(one.given) for one in encoders.values()] == [1, 1]

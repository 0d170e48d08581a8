"""The public test kit: sound encoders pass it, and a broken one of each sort is found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import HashingConfig
from xtr_assets.core.types import Int32s
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress
from xtr_assets.encoders.encoder_pair import Paired
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.testing import CheckFailed, check_encoder

BOTH = HashingConfig(dim=64, token_dim=32)
ENCODER = Hashing()


@pytest.mark.parametrize(
    "config", [BOTH, HashingConfig(token_dim=0), HashingConfig(dim=0)], ids=["both", "dense", "late"]
)
def test_the_hashing_encoder_passes(config: HashingConfig) -> None:
    report = check_encoder(open_encoder(config), lambda: open_fresh(config))
    assert {"documents", "queries", "batch_independent", "threads", "reopened"} <= set(report.passed)
    assert not report.skipped


def test_a_pair_passes() -> None:
    report = check_encoder(Paired(Hashing(48, 0), Hashing(0, 16)), lambda: Paired(Hashing(48, 0), Hashing(0, 16)))
    assert "reopened" in report.passed
    assert "reopened" in check_encoder(Paired(Hashing(48, 8), None)).skipped


class Broken(Hashing):
    """A hashing encoder; subclasses break one thing."""


class OtherDim(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        found = super().encode_documents(texts, progress)
        return replace(found, embeddings=found.embeddings[:, :-1])


class NotJson(Broken):
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "seen": {1, 2}}


class OtherName(Broken):
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "name": "another"}


class Doubled(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        found = super().encode_documents(texts, progress)
        return replace(found, embeddings=found.embeddings * np.float16(2))


class WholeDocuments(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        found = super().encode_documents(texts, progress)
        return replace(found, embeddings=found.embeddings.astype(np.float32))


class HalfQueries(Broken):
    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        found = super().encode_queries(texts)
        return replace(found, embeddings=found.embeddings.astype(np.float16))


class Noisy(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        found = super().encode_documents(texts, progress)
        noise = np.random.default_rng().standard_normal(found.embeddings.shape) * 0.05
        noisy = found.embeddings + noise
        return replace(found, embeddings=(noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float16))


class ByNeighbour(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        found = super().encode_documents(texts, progress)
        mixed = found.embeddings + np.float16(0.2) * np.roll(found.embeddings, 1, axis=0)
        norms = np.linalg.norm(mixed.astype(np.float32), axis=1, keepdims=True)
        return replace(found, embeddings=(mixed / norms).astype(np.float16))


class Cut(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        return super().encode_documents([text[:500] for text in texts], progress)


class NoEmptyTexts(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        if any(not text.strip() for text in texts):
            raise KeyError("no words")
        return super().encode_documents(texts, progress)


class OtherQueries(Broken):
    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        return super().encode_queries([text[::-1] for text in texts])


class Unsafe(Broken):
    """Keeps what it works on in itself."""

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        import time

        self.now = list(texts)
        time.sleep(0.002)
        return super().encode_documents(self.now, progress)


class Silent(Broken):
    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        return super().encode_documents(texts)


class Mute(Broken):
    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        return ["" for _ in token_ids]


class Sharing(Broken):
    """Hands out what it keeps."""

    kept: Encoded | None = None

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        if len(texts) != 4:
            return super().encode_documents(texts, progress)
        self.kept = self.kept or super().encode_documents(texts)
        return self.kept


class Short(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = "abc"


class Changing(Broken):
    asked = 0

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        self.asked += 1
        self.fingerprint = f"{self.asked:064x}"
        return super().encode_documents(texts, progress)


class NoTolerance(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.tolerance = 0.99  # type: ignore[assignment]


BREACHES: list[tuple[type[Broken], str, str]] = [
    (OtherDim, "documents", r"they must be float16 \(4, 64\)"),
    (NotJson, "describe", "is no JSON"),
    (OtherName, "describe", "'another'"),
    (Doubled, "documents", "has the length 2.0"),
    (WholeDocuments, "documents", "embeddings are float32"),
    (HalfQueries, "queries", "query embeddings are float16"),
    (Noisy, "deterministic", "the second time"),
    (ByNeighbour, "batch_independent", "among others"),
    (Cut, "tells_apart", "beyond a length is dropped"),
    (NoEmptyTexts, "odd_texts", "raised KeyError"),
    (OtherQueries, "queries_meet_documents", "nearer to another text"),
    (Unsafe, "threads", "in 4 threads"),
    (Silent, "progress", "progress told of 0"),
    (Mute, "surface", "gives no text"),
    (Sharing, "unchanged", "hand out copies"),
    (Short, "properties", "64 hex characters"),
    (Changing, "unchanged", "it may not change"),
    (NoTolerance, "properties", "give a Tolerance"),
]


@pytest.mark.parametrize(("kind", "check", "told"), BREACHES, ids=[one[0].__name__ for one in BREACHES])
def test_a_broken_encoder_is_found(kind: type[Broken], check: str, told: str) -> None:
    with pytest.raises(CheckFailed, match=rf"- {check}: .*{told}"):
        check_encoder(kind())


@pytest.mark.parametrize(
    ("reopen", "told"),
    [
        (lambda: Hashing(64, 16), "its fingerprint is"),
        (Doubled, "opened again it gives embeddings"),
        (lambda: ENCODER, "the very same encoder"),
    ],
)
def test_what_is_opened_again_is_the_same(reopen: Callable[[], Hashing], told: str) -> None:
    with pytest.raises(CheckFailed, match=f"- reopened: .*{told}"):
        check_encoder(ENCODER, reopen)

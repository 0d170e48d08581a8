"""Drafts whose encoder goes wrong where a real one would, for the checks that encode again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from xtr_assets.config import HashingConfig, IndexConfig, SourceConfig
from xtr_assets.core.types import Ints
from xtr_assets.encoders.base import Encoded, Encoder, Progress
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.gate import encoder_canary, vectors_are_the_texts
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.registry import CHECKS
from xtr_assets.pipeline.ingest.encode import encode_snapshot
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, write_shard

CONFIG = IndexConfig(sources=(SourceConfig(name="docs", kind="text", path=Path("nowhere")),), encoder=HashingConfig())

Fault = Callable[[Encoded, Sequence[str]], Encoded]


class Faulty(Hashing):
    """The hashing encoder under its own fingerprint, with a fault in what it gives back."""

    def __init__(self, fault: Fault, dim: int = 64, token_dim: int = 32) -> None:
        super().__init__(dim, token_dim)
        self.fault = fault

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        return self.fault(super().encode_documents(texts, progress), texts)


def sound(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return encoded


def picked(encoded: Encoded, order: Ints) -> Encoded:
    """The texts of `order`, whole."""
    spans = [np.arange(encoded.offsets[i], encoded.offsets[i + 1]) for i in order.tolist()]
    taken = np.concatenate(spans)
    offsets = np.cumsum([0, *map(len, spans)])
    return Encoded(encoded.embeddings[order], encoded.tokens[taken], offsets, encoded.token_ids[taken], 0)


def words(count: int, seed: int = 0, least: int = 3, most: int = 40) -> list[str]:
    """Texts of random words, all different."""
    rng = np.random.default_rng(seed)
    return [
        " ".join([f"w{seed}x{i}", *(f"word{n}" for n in rng.integers(0, 5000, rng.integers(least, most)))])
        for i in range(count)
    ]


def drafted(warehouse: Warehouse, shards: dict[str, list[str]], encoder: Encoder) -> Draft:
    """A draft of these texts, a file each, encoded as a build does; nothing is derived from it."""
    versions = {}
    for shard, texts in shards.items():
        write_shard(warehouse, shard, [make_chunk(f"{i:05}.txt", "s", t, source=shard) for i, t in enumerate(texts)])
        snapshot = warehouse.snapshot(shard)
        assert snapshot is not None
        encode_snapshot(warehouse, snapshot, encoder)
        versions[shard] = snapshot.data_version
    return warehouse.draft("run", encoder=encoder.describe(), fingerprint=encoder.fingerprint, snapshots=versions)


class Judged(DraftSession):
    """A session whose freshly opened encoder is this one."""

    def __init__(self, warehouse: Warehouse, draft: Draft, fresh: Encoder) -> None:
        super().__init__(warehouse, draft, CONFIG)
        self.fresh = fresh

    def fresh_encoder(self) -> Encoder:
        return self.fresh


def look(warehouse: Warehouse, draft: Draft, fresh: Encoder | None = None) -> Finding:
    """The check `vectors_are_the_texts`, recorded as the gate does."""
    found = vectors_are_the_texts.check(Judged(warehouse, draft, fresh or Hashing()))
    return record(draft, vectors_are_the_texts.CHECK, found)


def look_at_canary(warehouse: Warehouse, draft: Draft, fresh: Encoder | None = None) -> Finding:
    """The check `encoder_canary`."""
    return record(draft, "encoder_canary", encoder_canary.check(Judged(warehouse, draft, fresh or Hashing())))


def record(draft: Draft, name: str, found: Finding) -> Finding:
    draft.record_check(
        name,
        passed=found.passed,
        value=found.value,
        threshold=found.threshold,
        subject=(),
        version=next(check.version for check in CHECKS if check.name == name),
        details={**found.details, "summary": found.summary},
    )
    return found


def new_warehouse(path: Path) -> Warehouse:
    return Warehouse.create(path / "warehouse")

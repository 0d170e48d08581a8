"""A small published warehouse: real segments, hashed vectors, both indexes; no sources, no torch, no Dagster."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from xtr_assets.config import DenseConfig, IndexConfig, SourceConfig
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Chunk, FileState, encoded_text
from xtr_assets.encoders.base import vector_kind
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.lexical_index import derive_lexical
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.registry import CHECKS, run_check
from xtr_assets.pipeline.ingest.row_names import name_hashes, names_at
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.encoding_writer import names_writer
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord, RequiredCheck
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.warehouse import Warehouse

ENCODER = Hashing(dim=64, token_dim=32)


def make_chunk(
    path: str,
    symbol: str,
    text: str,
    *,
    source: str = "code",
    kind: str = "function",
    line: int = 1,
    title: str = "",
    metadata: str = "{}",
) -> Chunk:
    """A chunk of one line per line of its text."""
    end = line + text.count("\n")
    return Chunk(chunk_id(source, path, symbol), source, path, symbol, kind, 0, line, end, title, text, metadata)


def encode(segment: Segment, encoder: Hashing = ENCODER) -> None:
    """What the encoder gives of a segment, as a build writes it."""
    table = segment.chunks()
    titles, texts = table["title"].to_pylist(), table["text"].to_pylist()
    encoded = encoder.encode_documents([encoded_text(*pair) for pair in zip(titles, texts, strict=True)])
    if "dense" in encoder.legs:
        segment.write_embeddings(encoder.fingerprint, encoded.embeddings)
    if "tokens" in encoder.legs:
        codes, scales = encode_int8(encoded.tokens)
        segment.write_tokens(encoder.fingerprint, codes, scales, encoded.offsets, encoded.token_ids)


def encode_names(segment: Segment, encoder: Hashing = ENCODER) -> None:
    """The names of a segment's rows, as a build writes them."""
    table = segment.chunks()
    hashes = name_hashes(table, "all")
    named = np.flatnonzero(hashes.any(axis=1))
    vectors = np.zeros((len(hashes), encoder.dim), np.float16)
    if len(named):
        vectors[named] = encoder.encode_documents(names_at(table, named)).embeddings
    with names_writer(segment, encoder.fingerprint, encoder.dim) as writer:
        writer.append(vectors, hashes)


def write_shard(warehouse: Warehouse, shard: str, chunks: Sequence[Chunk]) -> None:
    """The next snapshot of a shard: it holds exactly these chunks; files that did not change are not touched."""
    by_path: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_path.setdefault(chunk.path, []).append(chunk)
    files = {path: _state(path, own) for path, own in by_path.items()}
    known = warehouse.known_files(shard)
    touched = [path for path, state in files.items() if path not in known or known[path].sha256 != state.sha256]
    warehouse.write_snapshot(
        shard,
        source_fingerprint="fixtures",
        files=files,
        touched=touched,
        chunks=[chunk for path in touched for chunk in by_path[path]],
    )


def publish_chunks(
    warehouse: Warehouse,
    chunks: Iterable[Chunk],
    *,
    shard: str = "code",
    recipe: str = "auto",
    encoder: Hashing = ENCODER,
) -> Generation:
    """Make the shard hold exactly these chunks, build the indexes by delta and publish without a gate."""
    write_shard(warehouse, shard, list(chunks))
    return publish(warehouse, recipe=recipe, encoder=encoder)


def publish(warehouse: Warehouse, *, recipe: str = "auto", encoder: Hashing = ENCODER) -> Generation:
    """Publish what the shards hold now."""
    number = drafted(warehouse, recipe=recipe, encoder=encoder).number
    return warehouse.publish(number, force_reason="these tests have no gate", again_reason="these tests go back")


SOURCES = (SourceConfig(name="code", kind="python", path=Path("nowhere"), names=False),)


def drafted(
    warehouse: Warehouse, *, recipe: str = "auto", encoder: Hashing = ENCODER, named: Collection[str] = ()
) -> Draft:
    """A draft with all indexes over what the shards hold now; rows of the shards `named` have names."""
    versions = {}
    for shard in warehouse.shards():
        snapshot = warehouse.snapshot(shard)
        assert snapshot is not None
        versions[shard] = snapshot.data_version
        for placed in snapshot.segments:
            segment = warehouse.segment(placed.segment_id)
            if not segment.has_vectors(vector_kind(encoder)):
                encode(segment, encoder)
            if shard in named and not segment.has_names(encoder.fingerprint):
                encode_names(segment, encoder)
    draft = warehouse.draft(
        "fixtures",
        encoder=encoder.describe(),
        fingerprint=encoder.fingerprint,
        snapshots=versions,
        named=dict.fromkeys(named, "all"),
    )
    derived(draft, IndexConfig(sources=SOURCES, dense=DenseConfig(recipe=recipe)))
    return draft


def derived(draft: Draft, config: IndexConfig) -> None:
    """Make all indexes of a draft."""
    made = session(draft, config)
    if "dense" in draft.legs:
        derive_dense(made)
    if "tokens" in draft.legs:
        derive_tokens(made)
    derive_lexical(made)


def session(draft: Draft, config: IndexConfig | None = None) -> DraftSession:
    """A session over a draft that `drafted` made: what a check looks at. By default with the defaults of a config."""
    config = config or IndexConfig(sources=SOURCES)
    return DraftSession(Warehouse.open(draft.layout.root), draft, config, encoder=lambda: ENCODER)


def required(*names: str) -> tuple[RequiredCheck, ...]:
    """The requirement of a passing record of each of these checks."""
    return tuple(check.requirement for check in CHECKS if check.name in names)


def record(draft: Draft, name: str, config: IndexConfig | None = None) -> CheckRecord:
    """Run the check of this name on a draft."""
    (check,) = (check for check in CHECKS if check.name == name)
    return run_check(session(draft, config), check)


def new_warehouse(path: Path, chunks: Iterable[Chunk], *, recipe: str = "auto") -> Warehouse:
    """A warehouse with one published generation of these chunks."""
    warehouse = Warehouse.create(path)
    publish_chunks(warehouse, chunks, recipe=recipe)
    return warehouse


def _state(path: str, chunks: Sequence[Chunk]) -> FileState:
    content = repr(chunks).encode("utf-8", "surrogatepass")
    return FileState(path, len(content), 1, hashlib.sha256(content).hexdigest())

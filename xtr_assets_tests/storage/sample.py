"""A small shard, its encodings and a warehouse around them: what the storage tests build on. No encoder, no torch."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from xtr_assets.core.ids import chunk_id
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Chunk, FileState, Floats, Quarantined
from xtr_assets.storage.catalog import write_catalog
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.shard_writer import ShardChange
from xtr_assets.storage.warehouse import Warehouse

FINGERPRINT = "5a" * 32
ENCODER = {"name": "sample", "kind": "hashing", "dim": 8, "token_dim": 4}
REQUIRED = tuple(RequiredCheck(name, 1, ("dense.faiss",), ("dense",)) for name in ("dense_recall", "files_verified"))

Corpus = Mapping[str, Iterable[str]]


def chunk(path: str, symbol: str, text: str, source: str = "s", line: int = 1) -> Chunk:
    return Chunk(chunk_id(source, path, symbol), source, path, symbol, "function", 0, line, line + 1, "title", text)


def state(path: str, text: str, mtime_ns: int = 1) -> FileState:
    return FileState(path, len(text), mtime_ns, hashlib.sha256(text.encode()).hexdigest())


def states(corpus: Corpus) -> dict[str, FileState]:
    return {path: state(path, "\n".join(texts)) for path, texts in corpus.items()}


def chunks_of(corpus: Corpus, paths: Iterable[str], source: str = "s") -> list[Chunk]:
    """One chunk per text; its symbol is the first word, so that a text can change while its place stays."""
    return [
        chunk(path, text.split()[0], text, source, line)
        for path in sorted(paths)
        for line, text in enumerate(corpus[path], start=1)
    ]


def write(
    warehouse: Warehouse,
    corpus: Corpus,
    shard: str = "s",
    quarantined: Iterable[Quarantined] = (),
    source_fingerprint: str = "v1",
) -> ShardChange:
    """The next snapshot of a shard: what a build would find out by scanning."""
    files, known = states(corpus), warehouse.known_files(shard)
    before = warehouse.snapshot(shard)
    anew = before is not None and before.source_fingerprint != source_fingerprint
    touched = [p for p, one in files.items() if anew or p not in known or known[p].sha256 != one.sha256]
    return warehouse.write_snapshot(
        shard,
        source_fingerprint=source_fingerprint,
        files=files,
        touched=touched,
        chunks=[*chunks_of(corpus, touched, shard), *quarantined],
    )


def vectors_of(hashes: Iterable[bytes], dim: int) -> Floats:
    """Unit vectors that depend on the text hash only, as those of an encoder would."""
    rows = [np.random.default_rng(int.from_bytes(h, "little")).normal(size=dim) for h in hashes]
    found = np.array(rows, np.float32).reshape(-1, dim)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def encode(segment: Segment, fingerprint: str = FINGERPRINT) -> None:
    """Two tokens a row."""
    hashes = segment.chunks()["text_hash"].to_pylist()
    segment.write_embeddings(fingerprint, vectors_of(hashes, 8))
    codes, scales = encode_int8(vectors_of([h + bytes([i]) for h in hashes for i in range(2)], 4))
    offsets = np.arange(segment.rows + 1, dtype=np.int64) * 2
    segment.write_tokens(fingerprint, codes, scales, offsets, np.arange(len(codes), dtype=np.int32))


def encode_all(warehouse: Warehouse, fingerprint: str = FINGERPRINT) -> None:
    for segment in warehouse.segments():
        encode(segment, fingerprint)


def draft(
    warehouse: Warehouse,
    run_id: str = "run",
    fingerprint: str = FINGERPRINT,
    *,
    holes: Holes = "kept",
    required: Sequence[RequiredCheck] = (),
    notes: Mapping[str, object] | None = None,
) -> Draft:
    """A draft over the current snapshots with stand-ins for what the indexes write."""
    encode_all(warehouse, fingerprint)
    versions = {shard: snapshot.data_version for shard in warehouse.shards() if (snapshot := warehouse.snapshot(shard))}
    made = warehouse.draft(
        run_id,
        encoder=ENCODER,
        fingerprint=fingerprint,
        snapshots=versions,
        holes=holes,
        required=required,
        notes=notes,
    )
    write_id_map(made)
    write_catalog(made)
    with made.writing("dense.faiss") as path:
        path.write_bytes(b"an index of rows " + bytes(range(64)))
    with made.writing("xtr/index.json") as path:
        path.write_text('{"segments": []}')
    return made


def check(made: Draft, passed: bool = True) -> None:
    subject = ["dense.faiss", "xtr/index.json"]
    for one in REQUIRED:
        made.record_check(one.name, passed=passed, value=0.97, threshold=0.95, subject=subject, profile_keys=["dense"])


def publish(warehouse: Warehouse) -> Generation:
    """Draft, check and publish what the shards hold now."""
    made = draft(warehouse)
    check(made)
    return warehouse.publish(made.number, required=REQUIRED)


def texts(generation: Generation) -> list[str]:
    """The live texts, sorted."""
    return sorted(generation.chunk_table(["text"])["text"].to_pylist())


def flip(path: Path, offset: int) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def of_two_gibibytes(table: pa.Table) -> pa.Table:
    """The rows of a segment, and behind them others with more text than one Arrow array of strings holds: 33 times the
    same 64 MiB of memory."""
    row = {**table.slice(0, 1).to_pylist()[0], "text": "x" * 2**26}
    return pa.concat_tables([table, *[pa.Table.from_pylist([row], table.schema)] * 33])

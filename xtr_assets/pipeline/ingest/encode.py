"""Encoding the segments of a snapshot: every text and every name once per encoder, resumable at the last block."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TypeVar

from xtr_assets.core.errors import StorageError
from xtr_assets.core.name_text import Naming
from xtr_assets.core.types import Halves, VectorKind
from xtr_assets.encoders.base import Encoder, vector_kind
from xtr_assets.encoders.encoder_record import hold_to_record
from xtr_assets.pipeline.ingest.encode_blocks import Block, Run, gathered, runs
from xtr_assets.pipeline.ingest.encode_plan import EncodePlan, Hashes, plan_encoding
from xtr_assets.pipeline.ingest.fresh_blocks import EncodedMeanwhile, FreshBlocks
from xtr_assets.pipeline.ingest.row_names import name_hashes
from xtr_assets.storage.encoding_lookup import EncodedAt, find_named, naming_of
from xtr_assets.storage.encoding_writer import embeddings_writer, names_writer, tokens_writer
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.unencoded_rows import BLOCK_TEXTS
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

Progress = Callable[[int], None]
_Held = TypeVar("_Held")


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """Rows of the segments that were written, by where their vectors came from; `named` are names that were encoded."""

    segments: int = 0
    rows: int = 0
    encoded: int = 0
    resumed: int = 0
    reused: int = 0
    windowed: int = 0
    tokens: int = 0
    bytes: int = 0
    named: int = 0

    def __add__(self, other: "EncodeReport") -> "EncodeReport":
        return EncodeReport(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def missing_encodings(
    warehouse: Warehouse, snapshot: Snapshot, kind: VectorKind, *, names: Naming = ""
) -> list[Segment]:
    """Segments of the snapshot that lack something of what this encoder gives, or those `names` that their source
    has: names are embeddings, too."""
    segments = (warehouse.segment(one.segment_id) for one in snapshot.segments)
    return [segment for segment in segments if not _is_encoded(segment, kind, names)]


def _is_encoded(segment: Segment, kind: VectorKind, names: Naming) -> bool:
    named = names and "dense" in kind.legs
    return segment.has_vectors(kind) and (not named or segment.has_names(kind.fingerprint, names))


def encode_snapshot(
    warehouse: Warehouse,
    snapshot: Snapshot,
    encoder: Encoder,
    progress: Progress | None = None,
    *,
    names: Naming = "",
) -> EncodeReport:
    """Give every segment of the snapshot what the encoder gives of its texts, and `names` where its source has them;
    `progress` is told of rows."""
    report = EncodeReport()
    for segment in missing_encodings(warehouse, snapshot, vector_kind(encoder), names=names):
        report += encode_segment(warehouse, segment, encoder, progress, names=names)
    return report


def encode_segment(
    warehouse: Warehouse, segment: Segment, encoder: Encoder, progress: Progress | None = None, *, names: Naming = ""
) -> EncodeReport:
    """Encode what no segment holds yet, texts and names in the same batches, find the rest, and write what is lacking
    in row order. Where another process encodes the same segment, the first to end is whose vectors it gets."""
    try:
        return _encoded(warehouse, segment, encoder, progress, names)
    except (EncodedMeanwhile, FileNotFoundError):
        if not _is_encoded(segment, vector_kind(encoder), names):
            raise
        FreshBlocks(segment, encoder, (), ()).forget()
        return EncodeReport(segments=1, rows=segment.rows, reused=segment.rows)


def _encoded(
    warehouse: Warehouse, segment: Segment, encoder: Encoder, progress: Progress | None, names: Naming
) -> EncodeReport:
    known = warehouse.info.encoders.get(encoder.fingerprint)
    # Before vectors are paid for that the gate refuses, and that would stay beside the right ones.
    hold_to_record(encoder, None if known is None else known.model_dump())
    tell = progress or (lambda _: None)
    kind, fingerprint, legs = vector_kind(encoder), encoder.fingerprint, encoder.legs
    texts = named = None
    hashes = None
    blocks: Mapping[int, Block] = {}
    vectors: Mapping[int, Halves] = {}
    if not segment.has_vectors(kind):

        def find(wanted: Hashes) -> EncodedAt:
            return warehouse.find_encoded(wanted, fingerprint, legs)

        texts, blocks = _planned(warehouse, segment.text_hashes(), find, lambda one: Block.stored(one, kind))
    if names and "dense" in legs and not segment.has_names(fingerprint, names):

        def find_names(wanted: Hashes) -> EncodedAt:
            return find_named(warehouse.segments(), wanted, fingerprint)

        hashes = name_hashes(segment.chunks(), names)
        named, vectors = _planned(
            warehouse, hashes, find_names, lambda one: one.names(fingerprint, naming_of(one, fingerprint))
        )
    unknown = 0 if texts is None else texts.unknown
    tell(segment.rows - unknown)
    to_encode = [() if one is None else one.blocks for one in (texts, named)]
    fresh = FreshBlocks(segment, encoder, to_encode[0], to_encode[1], lambda: _is_encoded(segment, kind, names))
    fresh.encode_all(hashes, tell)
    tokens = written = 0
    if named is not None and hashes is not None:
        written += _write_names(segment, encoder, named, names, hashes, fresh, vectors)
    if texts is not None:
        tokens, size = _write_texts(segment, encoder, texts, fresh, blocks)
        written += size
    fresh.forget()
    metrics.CHUNKS_ENCODED.inc(fresh.encoded)
    return EncodeReport(
        segments=1,
        rows=segment.rows,
        encoded=fresh.encoded,
        resumed=fresh.resumed,
        reused=segment.rows - unknown,
        windowed=fresh.windowed,
        tokens=tokens,
        bytes=written,
        named=fresh.named,
    )


def _planned(
    warehouse: Warehouse, hashes: Hashes, find: Callable[[Hashes], EncodedAt], opened: Callable[[Segment], _Held]
) -> tuple[EncodePlan, Mapping[int, _Held]]:
    """The plan, and what it takes of each segment, mapped: a collection beside, which knows nothing of it, may remove
    a segment in the hours that encoding the rest takes."""
    while True:
        there = set(warehouse.layout.segments.iterdir())
        try:
            plan = plan_encoding(hashes, find)
            return plan, {place: opened(plan.held[place]) for place in plan.taken}
        except (StorageError, OSError):
            # Where one went just now the others are looked at again.
            if there <= set(warehouse.layout.segments.iterdir()):
                raise


def _write_texts(
    segment: Segment, encoder: Encoder, plan: EncodePlan, fresh: FreshBlocks, held: Mapping[int, Block]
) -> tuple[int, int]:
    """Write the runs of rows in order. Returns (tokens, bytes)."""

    def block_of(run: Run) -> Block:
        number = run.place - len(plan.held)
        return fresh.block(number) if number >= 0 else held[run.place]

    tokens = 0
    with ExitStack() as stack:
        embeddings = token_arrays = None
        if "dense" in encoder.legs:
            embeddings = stack.enter_context(embeddings_writer(segment, encoder.fingerprint, encoder.dim))
        if "tokens" in encoder.legs:
            token_arrays = stack.enter_context(tokens_writer(segment, encoder.fingerprint, encoder.token_dim))
        for run in runs(plan.place, plan.position, BLOCK_TEXTS):
            part = block_of(run).slice(run.start, run.stop)
            if embeddings is not None:
                embeddings.append(part.embeddings)
            if token_arrays is not None:
                token_arrays.append(part.tokens, part.scales, part.counts, part.token_ids)
            tokens += len(part.tokens)
    offsets = 8 * segment.rows if token_arrays is not None else 0
    return tokens, 2 * segment.rows * encoder.dim + tokens * (encoder.token_dim + 6) + offsets


def _write_names(
    segment: Segment,
    encoder: Encoder,
    plan: EncodePlan,
    naming: Naming,
    hashes: Hashes,
    fresh: FreshBlocks,
    held: Mapping[int, Halves],
) -> int:
    """Write the names of the rows in order. Returns bytes."""

    def vectors_of(place: int) -> Halves:
        number = place - len(plan.held)
        return fresh.names(number) if number >= 0 else held[place]

    with names_writer(segment, encoder.fingerprint, encoder.dim, naming) as writer:
        for start in range(0, segment.rows, BLOCK_TEXTS):
            rows = slice(start, min(start + BLOCK_TEXTS, segment.rows))
            writer.append(gathered(plan.place[rows], plan.position[rows], vectors_of, encoder.dim), hashes[rows])
    return segment.rows * (2 * encoder.dim + 16)

"""Encoding the segments of a snapshot: every text once per encoder, resumable at the last finished block."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from xtr_assets.core.types import Ints, encoded_text
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.ingest.encode_blocks import Block, Run, block_name, runs
from xtr_assets.storage.encoding_writer import embeddings_writer, tokens_writer
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

Progress = Callable[[int], None]

# Texts per block: about 7 s of the embedded encoder on two cores is what a crash may cost, and 1,024 texts are enough
# for the encoder to sort into batches of equal length.
BLOCK_TEXTS = 1024
# Blocks held in memory while a segment is written: rows come mostly in the order of the blocks, a text that stood
# earlier in the segment reaches back. Sixteen blocks of the embedded encoder are 110 MB.
BLOCKS_IN_MEMORY = 16


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """Rows of the segments that were written, by where their vectors came from."""

    segments: int = 0
    rows: int = 0
    encoded: int = 0
    resumed: int = 0
    reused: int = 0
    windowed: int = 0
    tokens: int = 0
    bytes: int = 0

    def __add__(self, other: "EncodeReport") -> "EncodeReport":
        return EncodeReport(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def missing_encodings(warehouse: Warehouse, snapshot: Snapshot, fingerprint: str) -> list[Segment]:
    """Segments of the snapshot that lack the embeddings or token embeddings of this encoder."""
    segments = (warehouse.segment(one.segment_id) for one in snapshot.segments)
    return [s for s in segments if not (s.has_embeddings(fingerprint) and s.has_tokens(fingerprint))]


def encode_snapshot(
    warehouse: Warehouse, snapshot: Snapshot, encoder: Encoder, progress: Progress | None = None
) -> EncodeReport:
    """Give every segment of the snapshot its embeddings and token embeddings; `progress` is told of rows."""
    report = EncodeReport()
    for segment in missing_encodings(warehouse, snapshot, encoder.fingerprint):
        report += encode_segment(warehouse, segment, encoder, progress)
    return report


def encode_segment(
    warehouse: Warehouse, segment: Segment, encoder: Encoder, progress: Progress | None = None
) -> EncodeReport:
    """Encode the texts that no segment holds yet, find the others, and write both kinds of vectors in row order."""
    tell = progress or (lambda _: None)
    hashes = segment.text_hashes()
    unique, first, inverse = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    found = warehouse.find_encoded(unique, encoder.fingerprint)
    # Unknown texts in row order, each at its first row.
    unknown = np.flatnonzero(~found.found)
    unknown = unknown[np.argsort(first[unknown], kind="stable")]
    tell(segment.rows - len(unknown))
    fresh = _Fresh(segment, encoder, first[unknown], tell)
    fresh.encode_all()

    # A place is a segment that holds the text (0, 1, ...), or after those a block of new texts.
    place, position = found.owner.copy(), found.position.copy()
    place[unknown] = len(found.segments) + np.arange(len(unknown)) // BLOCK_TEXTS
    position[unknown] = np.arange(len(unknown)) % BLOCK_TEXTS
    order = inverse.ravel()
    opened: dict[int, Block] = {}

    def block_of(run: Run) -> Block:
        if run.place >= len(found.segments):
            return fresh.block(run.place - len(found.segments))
        if run.place not in opened:
            holder = found.segments[run.place]
            arrays = holder.tokens(encoder.fingerprint)
            opened[run.place] = Block(holder.embeddings(encoder.fingerprint), arrays)
        return opened[run.place]

    tokens, written = _write(segment, encoder, list(runs(place[order], position[order], BLOCK_TEXTS)), block_of)
    fresh.forget()
    metrics.CHUNKS_ENCODED.inc(fresh.encoded)
    return EncodeReport(
        segments=1,
        rows=segment.rows,
        encoded=fresh.encoded,
        resumed=fresh.resumed,
        reused=segment.rows - len(unknown),
        windowed=fresh.windowed,
        tokens=tokens,
        bytes=written,
    )


def _write(segment: Segment, encoder: Encoder, order: list[Run], block_of: Callable[[Run], Block]) -> tuple[int, int]:
    """Write the runs of rows in order. Returns (tokens, bytes)."""
    tokens = 0
    with (
        embeddings_writer(segment, encoder.fingerprint, encoder.dim) as embeddings,
        tokens_writer(segment, encoder.fingerprint, encoder.token_dim) as token_arrays,
    ):
        for run in order:
            part = block_of(run).slice(run.start, run.stop)
            embeddings.append(part.embeddings)
            token_arrays.append(part.tokens, part.scales, part.counts, part.token_ids)
            tokens += len(part.tokens)
    written = 2 * segment.rows * encoder.dim + tokens * (encoder.token_dim + 6) + 8 * segment.rows
    return tokens, written


class _Fresh:
    """The texts of a segment that have to be encoded, by block. More than one block is kept on disk until the end."""

    def __init__(self, segment: Segment, encoder: Encoder, positions: Ints, tell: Progress) -> None:
        self._segment, self._encoder, self._tell = segment, encoder, tell
        self._blocks = [positions[i : i + BLOCK_TEXTS] for i in range(0, len(positions), BLOCK_TEXTS)]
        self._staging = f"encode.{encoder.fingerprint[:8]}"
        self._memory: dict[int, Block] = {}
        self.encoded = self.resumed = self.windowed = 0

    def encode_all(self) -> None:
        """Encode what no earlier run has left behind."""
        table = self._segment.chunks()
        hashes, titles, texts = (table.column(name) for name in ("text_hash", "title", "text"))
        for number, positions in enumerate(self._blocks):
            rows = positions.tolist()
            path = self._segment.staging(self._staging) / block_name([hashes[row].as_py() for row in rows])
            if path.is_file():
                self.resumed += len(rows)
                self._tell(len(rows))
                self._remember(number, Block.load(path))
                continue
            wanted = [encoded_text(titles[row].as_py(), texts[row].as_py()) for row in rows]
            encoded = self._encoder.encode_documents(wanted, self._tell)
            self.windowed += encoded.windows
            self.encoded += len(rows)
            block = Block.of(encoded)
            if len(self._blocks) > 1:
                block.save(path)
            self._remember(number, block)

    def block(self, number: int) -> Block:
        """The vectors of a block, from memory or from disk."""
        if number not in self._memory:
            hashes = self._segment.chunks().column("text_hash")
            name = block_name([hashes[row].as_py() for row in self._blocks[number].tolist()])
            self._remember(number, Block.load(self._segment.staging(self._staging) / name))
        return self._memory[number]

    def forget(self) -> None:
        """The segment holds everything now."""
        self._memory.clear()
        self._segment.drop_staging(self._staging)

    def _remember(self, number: int, block: Block) -> None:
        while len(self._memory) >= BLOCKS_IN_MEMORY:
            del self._memory[next(iter(self._memory))]
        self._memory[number] = block

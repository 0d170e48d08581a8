"""The rows of a segment on disk: chunks.parquet (canonical, for analysis), chunks.arrow (memory-mapped, for hits)."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xtr_assets.core.ids import text_hash
from xtr_assets.core.line_shifts import Shift, shift_array
from xtr_assets.core.types import Chunk, Ints

ARROW_NAME, PARQUET_NAME = "chunks.arrow", "chunks.parquet"

# Plain strings: the IPC file format does not allow a dictionary to change from batch to batch, and 1,000,000 rows of
# source, path and kind take 60 MB of a file that is mapped, not loaded.
CHUNK_SCHEMA = pa.schema(
    [
        pa.field("chunk_id", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),
        pa.field("start_line", pa.int32(), nullable=False),
        pa.field("end_line", pa.int32(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("text_hash", pa.binary(16), nullable=False),
    ]
)
CHUNK_COLUMNS: tuple[str, ...] = tuple(CHUNK_SCHEMA.names)
LINE_COLUMNS = ("start_line", "end_line")

# Rows of one Arrow batch, of one Parquet row group, and of one block in memory while writing: 4,096 chunks of 2,000
# characters are 8 MB. Who reads a few rows of Parquet reads their whole group: 5.4 CPU ms of 4,096 records, 35 of eight
# times as many, where files are 8 % larger and DuckDB counts 200,000 rows in 9 ms for 7.
BATCH_ROWS = 4_096


def row_digest(chunk: Chunk, hashed: bytes) -> bytes:
    """16 bytes over every column. The text enters by its hash: with the title it determines the text.

    >>> one = Chunk(1, "s", "a.py", "f", "function", 0, 1, 2, "", "text")
    >>> row_digest(one, b"h") == row_digest(one, b"h"), row_digest(one, b"h") == row_digest(one, b"i")
    (True, False)
    """
    fields = (chunk.source, chunk.path, chunk.symbol, chunk.kind, chunk.title, chunk.metadata)
    return digest_columns(chunk.chunk_id, fields, (chunk.part, chunk.start_line, chunk.end_line), hashed)


def digest_columns(chunk_id: int, fields: Sequence[str], numbers: Sequence[int], hashed: bytes) -> bytes:
    """The row digest of loose columns: strings are length-prefixed, so that no two rows give the same bytes."""
    encoded = [field.encode("utf-8") for field in fields]
    head = ",".join(map(str, (chunk_id, *numbers, *map(len, encoded)))).encode("ascii")
    return hashlib.blake2b(b"\n".join((head, hashed, *encoded)), digest_size=16).digest()


def table_digests(table: pa.Table) -> list[bytes]:
    """The row digests of stored rows."""
    columns = ("chunk_id", "source", "path", "symbol", "kind", "title", "metadata", "part", "start_line", "end_line")
    values = [table.column(name).to_pylist() for name in (*columns, "text_hash")]
    return [digest_columns(row[0], row[1:7], row[7:10], row[10]) for row in zip(*values, strict=True)]


def shifted(table: pa.Table, shifts: Sequence[Shift]) -> pa.Table:
    """Rows of a whole segment, in order, with their lines where they stand now; a table without lines as it is."""
    if not shifts:
        return table
    # 30 CPU ms of import, which a search of rows that did not move need not pay.
    import pyarrow.compute as pc

    by = pa.array(shift_array(shifts, len(table)))
    for name in LINE_COLUMNS:
        if name in table.column_names:
            number = table.column_names.index(name)
            table = table.set_column(number, CHUNK_SCHEMA.field(name), pc.add(table.column(number), by))
    return table


class ChunkWriter:
    """Writes both files of a segment in blocks of BATCH_ROWS and digests the rows as they come."""

    def __init__(self, folder: Path, shard: str) -> None:
        self._folder = folder
        self._content = hashlib.sha256(f"{len(shard)}:{shard}\n".encode())
        self._block: list[tuple[Chunk, bytes]] = []
        self._open: list[Any] = []
        self.rows = 0

    def append(self, chunk: Chunk, hashed: bytes, digest: bytes) -> None:
        """Take a row with its text hash and row digest."""
        self._content.update(digest)
        self._block.append((chunk, hashed))
        self.rows += 1
        if len(self._block) == BATCH_ROWS:
            self._flush()

    def append_stored(self, table: pa.Table) -> None:
        """Take rows of another segment."""
        hashes = table.column("text_hash").to_pylist()
        chunks = table.select(CHUNK_COLUMNS[:-1]).to_pylist()
        for row, hashed, digest in zip(chunks, hashes, table_digests(table), strict=True):
            self.append(Chunk(**row), hashed, digest)

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, *_: object) -> None:
        # On the way out of an error the files are lost anyway; a second error from closing them would hide the first.
        while self._open:
            with suppress(OSError, pa.ArrowException):
                self._open.pop().close()

    def close(self) -> str:
        """Finish the files; the content digest (hex sha256 over shard and rows)."""
        self._flush()
        while self._open:
            # Closing an Arrow file twice appends a second footer to it: forget a writer before it is closed.
            self._open.pop().close()
        return self._content.hexdigest()

    def _flush(self) -> None:
        if not self._block:
            return
        if not self._open:
            # Who reads needs none of it: it is 7 ms of a cold search.
            from pyarrow import parquet

            arrow = pa.ipc.new_file(str(self._folder / ARROW_NAME), CHUNK_SCHEMA)
            self._open.append(arrow)
            path = self._folder / PARQUET_NAME
            self._open.append(parquet.ParquetWriter(path, CHUNK_SCHEMA, compression="zstd", compression_level=1))
        batch = _batch(self._block)
        self._open[0].write_batch(batch)
        self._write_group(batch)
        self._block = []

    def _write_group(self, batch: pa.RecordBatch) -> None:
        """The batch as a row group of Parquet."""
        self._open[1].write_batch(batch)


def _batch(block: Sequence[tuple[Chunk, bytes]]) -> pa.RecordBatch:
    columns = [[getattr(chunk, name) for chunk, _ in block] for name in CHUNK_COLUMNS[:-1]]
    columns.append([hashed for _, hashed in block])
    arrays = [pa.array(values, field.type) for values, field in zip(columns, CHUNK_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=CHUNK_SCHEMA)


def hash_chunk(chunk: Chunk) -> bytes:
    """The 16 byte hash of what an encoder sees of this chunk: encodings are found again by it."""
    return text_hash(chunk.encoded)


def open_chunks(path: Path) -> Any:
    """A memory-mapped Arrow IPC file reader. The caller has verified the bytes."""
    return pa.ipc.open_file(pa.memory_map(str(path), "r"))


def rows_at(table: pa.Table, positions: Ints) -> pa.Table:
    """Rows of a stored table at ascending positions, int64 [n]: what `take` gives, which first copies every batch of
    every column into one (2.8 CPU ms for five of 77,600 records, 0.15 by batch), and fails beyond 2 GiB of texts.

    >>> table = pa.concat_tables([pa.table({"a": [1, 2]}), pa.table({"a": [3]})])
    >>> rows_at(table, np.array([1, 2]))["a"].to_pylist(), len(rows_at(table, np.empty(0, np.int64)))
    ([2, 3], 0)
    """
    taken, first = [table.slice(0, 0)], 0
    for batch in table.to_batches():
        start, stop = np.searchsorted(positions, (first, first + len(batch)))
        if stop > start:
            taken.append(pa.Table.from_batches([batch.take(pa.array(positions[start:stop] - first))]))
        first += len(batch)
    if len(positions) and not 0 <= int(positions[0]) <= int(positions[-1]) < first:
        raise IndexError(f"rows {int(positions[0])} to {int(positions[-1])} of a table of {first}")
    return pa.concat_tables(taken)


def ids_of(table: pa.Table) -> Ints:
    """chunk_ids of stored rows: int64 [rows]."""
    ids: Ints = table.column("chunk_id").to_numpy()
    return ids


def hashes_of(table: pa.Table) -> npt.NDArray[np.uint64]:
    """Text hashes of stored rows: uint64 [rows, 2], the 16 bytes as they lie."""
    chunks = [_hash_words(chunk) for chunk in table.column("text_hash").chunks]
    return np.concatenate(chunks) if chunks else np.empty((0, 2), np.uint64)


def _hash_words(array: pa.Array) -> npt.NDArray[np.uint64]:
    data = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, 2)
    return data[array.offset : array.offset + len(array)]

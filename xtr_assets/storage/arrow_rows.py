"""Rows of a chunks.arrow of which only ranges can be read: the places of their values, and the values.

https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format: a footer lists the batches; a batch is a message, a
FlatBuffer that lists its buffers, and a body. Chunks have no nulls and no compression, and one schema; anything else is
refused. What is read here was compared with its digests before.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from xtr_assets.core.errors import CorruptFile
from xtr_assets.storage.chunk_files import CHUNK_SCHEMA

_MAGIC = b"ARROW1"
# A footer ends with its length and the magic.
_TAIL = 4 + len(_MAGIC)
# The first bytes of a message: 0xFFFFFFFF and the length of its FlatBuffer.
_MESSAGE = 8
_RECORD_BATCH = 3
# Buffers of each column: validity and values, of strings validity, offsets and values.
_BUFFERS = [3 if pa.types.is_string(field.type) else 2 for field in CHUNK_SCHEMA]
_FIRST = [sum(_BUFFERS[:i]) for i in range(len(_BUFFERS))]
_FIXED = {pa.int64(): "<q", pa.int32(): "<i"}

# Within the file: first byte, bytes.
Span = tuple[int, int]


class Ranges(Protocol):
    """Bytes of one file."""

    @property
    def size(self) -> int: ...
    def need(self, spans: Iterable[Span]) -> None: ...
    def read(self, start: int, length: int) -> bytes: ...


class ArrowRows:
    """Reads rows of chunks, column by column, through ranges. Batches hold `batch_rows` rows, the last one fewer."""

    def __init__(self, ranges: Ranges, name: str, rows: int, batch_rows: int) -> None:
        """name : what an error calls the file. CorruptFile where it is no file of so many chunks."""
        self._ranges, self._name, self._rows, self._batch_rows = ranges, name, rows, batch_rows
        self._blocks = self._footer()
        if len(self._blocks) != -(-rows // batch_rows):
            raise CorruptFile(name, f"{-(-rows // batch_rows)} batches", f"{len(self._blocks)} batches")
        self._buffers: dict[int, list[Span]] = {}

    def rows(self, positions: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """A dict of columns for each position, in the order asked for."""
        (found,) = together([(self, positions)], columns)
        return found

    # -- three steps, so that those of several files may be made side by side -----------------------------------------

    def need_batches(self, positions: Sequence[int]) -> None:
        """Ask for the messages of their batches."""
        batches = {position // self._batch_rows for position in positions} - self._buffers.keys()
        self._ranges.need((start, length) for start, length, _ in (self._blocks[batch] for batch in sorted(batches)))

    def need_offsets(self, positions: Sequence[int], columns: Sequence[str]) -> None:
        """Ask for where strings lie, and for numbers."""
        self._ranges.need(span for p in positions for name in columns for span in [self._first_span(p, name)])

    def need_values(self, positions: Sequence[int], columns: Sequence[str]) -> None:
        """Ask for the strings."""
        self._ranges.need(self._string(p, name) for p in positions for name in columns if _is_string(name))

    def row(self, position: int, columns: Sequence[str]) -> dict[str, Any]:
        return {name: self._value(position, name) for name in columns}

    def _value(self, position: int, name: str) -> Any:
        with _parsing(self._name):
            if _is_string(name):
                return self._ranges.read(*self._string(position, name)).decode("utf-8")
            data = self._ranges.read(*self._first_span(position, name))
            kind = CHUNK_SCHEMA.field(name).type
            return data if kind not in _FIXED else struct.unpack(_FIXED[kind], data)[0]

    def _first_span(self, position: int, name: str) -> Span:
        """Where a number lies, or both offsets of a string."""
        number, offset = CHUNK_SCHEMA.get_field_index(name), position % self._batch_rows
        start, length = self._batch(position // self._batch_rows)[_FIRST[number] + 1]
        width = 4 if _is_string(name) else CHUNK_SCHEMA.field(name).type.bit_width // 8
        end = offset * width + (8 if _is_string(name) else width)
        if end > length:
            raise CorruptFile(self._name, f"{end} bytes of {name}", f"{length} bytes")
        return start + offset * width, end - offset * width

    def _string(self, position: int, name: str) -> Span:
        first, last = struct.unpack("<ii", self._ranges.read(*self._first_span(position, name)))
        start, length = self._batch(position // self._batch_rows)[_FIRST[CHUNK_SCHEMA.get_field_index(name)] + 2]
        if not 0 <= first <= last <= length:
            raise CorruptFile(self._name, f"{name} within {length} bytes", f"bytes {first} to {last}")
        return start + first, last - first

    # -- the FlatBuffers ----------------------------------------------------------------------------------------------

    def _footer(self) -> list[tuple[int, int, int]]:
        """Of each batch the first byte of its message, the bytes of that, and the bytes of its body."""
        size = self._ranges.size
        tail = self._ranges.read(max(0, size - _TAIL), min(size, _TAIL))
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or not 0 < length <= size - _TAIL:
            raise CorruptFile(self._name, "an Arrow file", f"the end {tail.hex()}")
        data = self._ranges.read(size - _TAIL - length, length)
        with _parsing(self._name):
            table = _Table(data, struct.unpack_from("<I", data)[0])
            at, count = table.vector(3)
            return [struct.unpack_from("<qi4xq", data, at + 24 * i) for i in range(count)]

    def _batch(self, index: int) -> list[Span]:
        known = self._buffers.get(index)
        if known is None:
            # Reading it twice from two threads gives the same.
            known = self._buffers[index] = self._read_batch(index)
        return known

    def _read_batch(self, index: int) -> list[Span]:
        start, length, body = self._blocks[index]
        rows = min(self._batch_rows, self._rows - index * self._batch_rows)
        with _parsing(self._name):
            data = self._ranges.read(start, length)[_MESSAGE:]
            message = _Table(data, struct.unpack_from("<I", data)[0])
            batch = message.table(2)
            at, count = batch.vector(2)
            found = rows_of, kind = batch.scalar(0, "<q"), message.scalar(1, "<B")
            compressed = batch.has(3)
            buffers = [struct.unpack_from("<qq", data, at + 16 * i) for i in range(count)]
        within = all(first >= 0 and bytes_ >= 0 and first + bytes_ <= body for first, bytes_ in buffers)
        # A validity that is there says that some value is not.
        nulls = any(buffers[first][1] for first in _FIRST) if count == sum(_BUFFERS) else True
        if found != (rows, _RECORD_BATCH) or compressed or nulls or not within:
            what = f"{rows_of} rows, kind {kind}, {count} buffers"
            raise CorruptFile(self._name, f"batch {index} of {rows} chunks", what)
        return [(start + length + first, bytes_) for first, bytes_ in buffers]


def together(wanted: Sequence[tuple[ArrowRows, Sequence[int]]], columns: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The rows of several files: what each step needs of all of them comes at the same time."""
    for file, positions in wanted:
        file.need_batches(positions)
    for file, positions in wanted:
        file.need_offsets(positions, columns)
    for file, positions in wanted:
        file.need_values(positions, columns)
    return [[file.row(position, columns) for position in positions] for file, positions in wanted]


def _is_string(name: str) -> bool:
    return bool(pa.types.is_string(CHUNK_SCHEMA.field(name).type))


class _Table:
    """A FlatBuffers table: https://flatbuffers.dev/internals/."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def has(self, field: int) -> bool:
        return self._place(field) is not None

    def scalar(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self._data, place)[0])

    def table(self, field: int) -> "_Table":
        return _Table(self._data, self._followed(field))

    def vector(self, field: int) -> tuple[int, int]:
        """Where its elements begin, and how many they are."""
        if self._place(field) is None:
            return 0, 0
        at = self._followed(field)
        return at + 4, struct.unpack_from("<I", self._data, at)[0]

    def _followed(self, field: int) -> int:
        place = self._place(field)
        if place is None:
            raise struct.error(f"no field {field}")
        return place + int(struct.unpack_from("<I", self._data, place)[0])

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, self._fields + entry)[0] if entry + 2 <= self._size else 0
        return self._at + offset if offset else None


@contextmanager
def _parsing(name: str) -> Iterator[None]:
    """What bytes of something else make of the reading, as the error of the file."""
    try:
        yield
    except (struct.error, UnicodeDecodeError, EOFError) as error:
        raise CorruptFile(name, "an Arrow file of chunks", str(error)[:200]) from error

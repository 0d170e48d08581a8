"""An array of which only ranges can be read: rows come by blocks, compared with their digests, when they are asked for.

It is no numpy array: nothing can read where no byte has arrived yet.
"""

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.arguments import row_numbers
from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.raw_arrays import read_header
from xtr_assets.core.types import Halves, Ints
from xtr_assets.storage.arrays import check_finite
from xtr_assets.storage.remote.block_reader import BlockReader

# A header of ours has 128 bytes; numpy reads no more than 10,000.
_HEAD_BYTES = 4096
# Rows that stand next to each other, read at once: 25 MB of 384 dims.
_SLICE_ROWS = 32_768


class FileRanges:
    """The ranges of one file."""

    def __init__(self, reader: BlockReader, name: str, size: int) -> None:
        self._reader, self._name, self.size = reader, name, size

    def need(self, spans: Iterable[tuple[int, int]]) -> None:
        """Say what will be read."""
        self._reader.need((self._name, start, length) for start, length in spans if length)

    def read(self, start: int, length: int) -> bytes:
        return self._reader.read(self._name, start, length)


class ArrivingArray:
    """float16 [rows, dim] of a .npy file; read by slices, and by positions int64 [n]."""

    ndim = 2
    dtype = np.dtype(np.float16)

    def __init__(self, ranges: FileRanges, name: str, rows: int) -> None:
        """CorruptFile where it is another array."""
        head = io.BytesIO(ranges.read(0, min(_HEAD_BYTES, ranges.size)))
        try:
            shape, fortran, kind = read_header(head)
        except ValueError as error:
            raise CorruptFile(name, f"a header of float16 [{rows}, '*']", str(error)[:200]) from error
        size = head.tell() + math.prod(shape) * kind.itemsize
        if kind != self.dtype or fortran or len(shape) != 2 or shape[0] != rows or size != ranges.size:
            found = f"{kind} {list(shape)} in {ranges.size} bytes"
            raise CorruptFile(name, f"float16 [{rows}, '*']", found)
        self._ranges, self._name, self._first = ranges, name, head.tell()
        self.shape: tuple[int, int] = (rows, shape[1])
        self._row_bytes = shape[1] * kind.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def need(self, positions: Ints) -> None:
        """Say which rows will be read."""
        self._ranges.need((self._first + int(p) * self._row_bytes, self._row_bytes) for p in np.unique(positions))

    def __getitem__(self, key: Any) -> Halves:
        """float16 [n, dim], a copy. CorruptFile for a block that differs, StoreError where the store gives none."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            return self._rows(start, max(start, stop))[::step]
        positions = row_numbers(np.asarray(key), len(self))
        self.need(positions)
        found = np.empty((len(positions), self.shape[1]), np.float16)
        for place, position in enumerate(positions.tolist()):
            found[place] = self._rows(position, position + 1)[0]
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)

    def _rows(self, start: int, stop: int) -> Halves:
        found = np.empty((stop - start, self.shape[1]), np.float16)
        for first in range(start, stop, _SLICE_ROWS):
            last = min(stop, first + _SLICE_ROWS)
            at, length = self._first + first * self._row_bytes, (last - first) * self._row_bytes
            self._ranges.need([(at, length)])
            data = np.frombuffer(self._ranges.read(at, length), "<f2").reshape(last - first, self.shape[1])
            check_finite(data, f"{self._name} from row {first} on")
            found[first - start : last - start] = data
        return found

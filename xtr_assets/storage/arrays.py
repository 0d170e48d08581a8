"""Raw .npy arrays: written in blocks with bounded memory, validated before they exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.types import Halves, Mask

# 16,384 rows of 384 float32 are 25 MB: large enough that numpy's overhead vanishes, small enough for any machine.
BLOCK_ROWS = 16_384

# float16 keeps 11 bits: the length of a unit vector rounded to it is within 5e-4. A hundredth catches vectors that
# were never normalized without ever refusing one that was.
LENGTH_TOLERANCE = 0.01


class ArrayWriter:
    """Appends blocks to one .npy file; the header is written again when the length is known."""

    def __init__(self, file: IO[bytes], dtype: npt.DTypeLike, trailing: tuple[int, ...]) -> None:
        self._file, self._dtype, self._trailing = file, np.dtype(dtype), trailing
        self.rows = 0
        self._header()

    def append(self, block: npt.NDArray[Any]) -> None:
        """Write rows; dtype and trailing shape must be the file's."""
        if block.dtype != self._dtype or block.shape[1:] != self._trailing:
            raise InvalidInput(f"block {block.dtype}{block.shape} in a file of {self._dtype} [n, *{self._trailing}]")
        self._file.write(np.ascontiguousarray(block).data)
        self.rows += len(block)

    def finish(self) -> None:
        self._file.seek(0)
        self._header()

    def _header(self) -> None:
        # Version 1 headers reserve room for the first axis to grow, so writing it again never moves the data.
        shape = (self.rows, *self._trailing)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


@contextmanager
def array_writer(path: Path, dtype: npt.DTypeLike, trailing: tuple[int, ...] = ()) -> Iterator[ArrayWriter]:
    """Write an array block by block; the header is right when the block ends without an error."""
    with path.open("wb") as file:
        writer = ArrayWriter(file, dtype, trailing)
        yield writer
        writer.finish()


def blocks_of(array: npt.NDArray[Any], size: int = BLOCK_ROWS) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """(first row, rows) in order, at most `size` rows each."""
    for start in range(0, len(array), size):
        yield start, array[start : start + size]


def check_finite(array: Halves, name: str) -> None:
    """Every number of a float16 array finite; CorruptFile names the first row that is not. A row of NaN is nearest to
    no query and to every one, depending on who compares."""
    for first, block in blocks_of(array):
        # Exponent bits all set: infinity or NaN. On the bits it runs at the speed of memory.
        wrong = (block.view(np.uint16) & 0x7C00) == 0x7C00
        if wrong.any():
            row = first + int(np.flatnonzero(wrong.reshape(len(block), -1).any(axis=1))[0])
            raise CorruptFile(name, "finite numbers", f"row {row} with {block[row - first].ravel()[:3].tolist()}...")


def check_unit_rows(block: npt.NDArray[Any], first: int, dim: int, name: str) -> None:
    """Every row finite, of this dim and of unit length; InvalidInput names the row and the file."""
    if block.ndim != 2 or block.shape[1] != dim:
        raise InvalidInput(f"{name}: dim {dim} expected, rows of shape {block.shape[1:]} from row {first} on")
    lengths = np.linalg.norm(block.astype(np.float32), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= LENGTH_TOLERANCE))
    if len(wrong):
        row, length = int(wrong[0]), float(lengths[wrong[0]])
        what = "is not finite" if not np.isfinite(length) else f"has length {length:.4g}, unit length is needed"
        raise InvalidInput(f"{name}: row {first + row} {what} ({len(wrong)} such rows in this block); nothing was kept")


def check_name_rows(block: npt.NDArray[Any], hashes: npt.NDArray[np.uint64], first: int, dim: int, name: str) -> None:
    """Vectors [n, dim] finite and of unit length, and all zero in just the rows whose hash, uint64 [n, 2], is 0."""
    if hashes.dtype != np.uint64 or hashes.shape != (len(block), 2):
        raise InvalidInput(f"{name}: uint64 [{len(block)}, 2] hashes expected, found {hashes.dtype} {hashes.shape}")
    named: Mask = np.array(hashes.any(axis=1), np.bool_)
    whole = block
    if block.ndim == 2:
        filled: Mask = np.array((block != 0).any(axis=1), np.bool_) & ~named
        if filled.any():
            raise InvalidInput(
                f"{name}: row {first + int(filled.argmax())} has no name, and a vector; nothing was kept"
            )
        # Rows without a name count as of unit length.
        whole = np.where(named[:, None], block, np.eye(1, block.shape[1], dtype=block.dtype))
    check_unit_rows(whole, first, dim, name)


def check_scales(scales: npt.NDArray[np.float16], first: int, name: str) -> None:
    """Scales finite and above zero: a token of length zero cannot be found."""
    wrong = np.flatnonzero(~(np.isfinite(scales) & (scales > 0)))
    if len(wrong):
        raise InvalidInput(f"{name}: token {first + int(wrong[0])} has scale {scales[wrong[0]]}; it must be above zero")

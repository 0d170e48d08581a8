"""Raw .npy arrays saved, and opened: header and size are compared with what is expected before anything is mapped."""

import math
import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile

# NumPy's own limit; a header of ours has 118.
MOST_HEADER_BYTES = 10_000

# What NumPy writes as version 1.0 of the format, to the letter; anything else is damage.
# https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biuf][1248])', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18},|[0-9]{1,18}(?:, [0-9]{1,18})+)?)\), \} *\n"
)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, type. Raises ValueError saying what is there, and OSError.

    NumPy's own reader evaluates the header as Python, whose evaluator leaves eleven objects in cycles behind: 900 at
    each move of a server's pointer, 4 MB in 70 moves, until a full collection held everybody up for 60 ms.
    """
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise ValueError(f"the magic {magic!r}")
    length = int.from_bytes(file.read(2), "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    header = file.read(length)
    read = _HEADER.fullmatch(header) if len(header) == length else None
    if read is None:
        raise ValueError(f"the header {header[:80]!r}")
    kind, order, shape = (one.decode("ascii") for one in read.groups())
    try:
        return tuple(int(one) for one in shape.split(",") if one.strip()), order == "True", np.dtype(kind)
    except TypeError as error:
        raise ValueError(f"the type {kind!r}") from error


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as .npy, in C order. Raises OSError as the system says it.

    NumPy writes to a file by a stream of C whose end it does not look at: on a full disk the last bytes of an array
    were lost without a word, or an error said how many were and not why.
    """
    held = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(held))
        file.write(held.data)


def mapped_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """A new .npy, mapped to be written, all of its bytes on the disk. Raises OSError as the system says it: where they
    were not, writing to one on a full disk ended the process (SIGBUS)."""
    found = np.lib.format.open_memmap(path, "w+", dtype, shape)
    # macOS has no such call.
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return found


def open_array(
    path: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...], *, mmap: bool = True
) -> npt.NDArray[Any]:
    """A read-only array of a file whose header says this type and shape; None in `shape` takes any length.

    mmap : map the file, else read it. Raises CorruptFile(name, ...).
    """
    expected = f"{np.dtype(dtype)} {['*' if n is None else n for n in shape]}"
    if not path.is_file():
        # Nor is a pipe one, which would never come to an end.
        raise CorruptFile(name, expected, "no file")
    try:
        with path.open("rb") as file:
            found, fortran, kind = read_header(file)
            start = file.tell()
    except (ValueError, OSError) as error:
        raise CorruptFile(name, f"a header of {expected}", str(error)[:200]) from error
    fits = len(found) == len(shape) and all(want is None or want == got for want, got in zip(shape, found, strict=True))
    if kind != np.dtype(dtype) or fortran or not fits:
        raise CorruptFile(name, expected, f"{kind} {list(found)}")
    size = start + math.prod(found) * kind.itemsize
    if path.stat().st_size != size:
        raise CorruptFile(name, f"{size} bytes for {expected}", f"{path.stat().st_size} bytes")
    array: npt.NDArray[Any]
    if 0 in found:
        # An empty array cannot be mapped.
        array = np.empty(found, kind)
    elif mmap:
        # A plain array over the same bytes: np.memmap costs microseconds at every slice.
        array = np.asarray(np.memmap(path, dtype=kind, mode="r", offset=start, shape=tuple(found)))
    else:
        array = np.fromfile(path, kind, offset=start).reshape(found)
    array.flags.writeable = False
    return array

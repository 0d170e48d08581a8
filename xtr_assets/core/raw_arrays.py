"""Raw .npy arrays opened: the header and the size are compared with what is expected before anything is mapped."""

import ast
import math
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile

# NumPy's own limit; a header of ours has 118.
MOST_HEADER_BYTES = 10_000

# What numpy's parser of a header raises for bytes that are none, beside its own ValueError.
_UNREADABLE = (
    ValueError,
    EOFError,
    OSError,
    SyntaxError,
    TokenError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)


def _refuse_mended(file: IO[bytes]) -> None:
    """SyntaxError where NumPy would mend a header as of Python 2, and warn: none is written so, it is damage."""
    begun = file.tell()
    length = int.from_bytes(file.read(2), "little")
    # Longer ones NumPy refuses before it parses them.
    if length <= MOST_HEADER_BYTES:
        ast.literal_eval(file.read(length).decode("latin-1"))
    file.seek(begun)


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
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise CorruptFile(name, "npy version (1, 0)", f"version {version}")
            _refuse_mended(file)
            found, fortran, kind = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
    except _UNREADABLE as error:
        raise CorruptFile(name, f"a header of {expected}", f"{type(error).__name__}: {str(error)[:200]}") from error
    fits = len(found) == len(shape) and all(
        got >= 0 and (want is None or want == got) for want, got in zip(shape, found, strict=True)
    )
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

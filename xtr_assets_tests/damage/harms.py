"""What happens to a file: bits, lengths, other files, and what is no file at all."""

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Beyond Python's stack, and beyond what Python reads as an integer.
NESTED, DIGITS = 200_000, 5_000

# It gets the file and others of its kind, and returns whether it changed anything.
Harm = Callable[[Path, Sequence[Path], random.Random], bool]


def flip(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """One bit."""
    data = bytearray(path.read_bytes())
    if not data:
        return False
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    return True


def flip_header(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """One byte of the first 128, where parsers look first."""
    data = bytearray(path.read_bytes())
    if not data:
        return False
    data[draw.randrange(min(128, len(data)))] ^= draw.randrange(1, 256)
    path.write_bytes(data)
    return True


def cut(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    size = path.stat().st_size
    if not size:
        return False
    os.truncate(path, draw.randrange(size))
    return True


def extend(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    with path.open("ab") as file:
        file.write(draw.choice((b"\0", b"\n", b" ", b"}", draw.randbytes(40), b"\0" * 4096)))
    return True


def zero(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """A run of bytes that a disk gave back as zeros, or as ones."""
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data) + 1)
    stop = min(len(data), start + draw.choice((1, 16, 512, len(data))))
    written = draw.choice((b"\0", b"\xff")) * (stop - start)
    if data[start:stop] == written:
        return False
    data[start:stop] = written
    path.write_bytes(data)
    return True


def swap(path: Path, others: Sequence[Path], draw: random.Random) -> bool:
    """It and another of its kind change places."""
    different = [one for one in others if one.read_bytes() != path.read_bytes()]
    if not different:
        return False
    other = draw.choice(different)
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)
    return True


def remove(path: Path, _others: Sequence[Path], _draw: random.Random) -> bool:
    path.unlink()
    return True


def empty(path: Path, _others: Sequence[Path], _draw: random.Random) -> bool:
    os.truncate(path, 0)
    return True


def directory(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    path.unlink()
    path.mkdir()
    if draw.random() < 0.5:
        (path / "inside").write_text("1\n")
    return True


def fifo(path: Path, _others: Sequence[Path], _draw: random.Random) -> bool:
    path.unlink()
    os.mkfifo(path)
    return True


def link(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """To a copy outside the warehouse, or to nothing."""
    outside = path.parents[len(path.parents) - 2] / "nothing-there"
    if draw.random() < 0.5:
        outside = Path(f"{path}.moved")
        shutil.move(path, outside)
    else:
        path.unlink()
    path.symlink_to(outside)
    return True


def nested_json(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """Nested beyond Python's stack: whole, cut, or as one value of what stood there."""
    if path.suffix not in (".json", ".jsonl"):
        return False
    deep = draw.choice((b"[" * NESTED + b"]" * NESTED, b"[" * NESTED, b'{"a":' * NESTED + b"1" + b"}" * NESTED))
    path.write_bytes(draw.choice((deep, b'{"format_version": 1, "files": ' + deep + b"}\n")))
    return True


def digits(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """A number of thousands of digits in the place of one, or of all."""
    many = "9" * draw.choice((20, 400, DIGITS))
    text = path.read_bytes()
    numbers = [one for one in range(len(text)) if text[one : one + 1].isdigit()]
    if path.suffix not in (".json", ".jsonl", "", ".sha256") or not numbers:
        return False
    place = draw.choice(numbers)
    path.write_bytes(text[:place] + many.encode() + text[place + 1 :])
    return True


def other_value(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """JSON that is whole, with one value of another kind or size, as a strange tool would write it."""
    if path.suffix != ".json":
        return False
    document = json.loads(path.read_bytes())
    places: list[tuple[Any, Any]] = []
    _places(document, places)
    holder, key = draw.choice(places)
    given: tuple[Any, ...] = (
        None,
        True,
        -1,
        2**60,
        2**31,
        1e300,
        float("nan"),
        "",
        "x" * 5000,
        "\0",
        "\ud800",
        "../../x",
        [],
        {},
        [[]],
    )
    holder[key] = draw.choice(given)
    path.write_text(json.dumps(document))
    return True


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        found.append((value, key))
        _places(one, found)


def false_header(path: Path, _others: Sequence[Path], draw: random.Random) -> bool:
    """A .npy header that says another shape, type or order than there is, or is no header."""
    if path.suffix != ".npy":
        return False
    data = path.read_bytes()
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    other = draw.choice(
        (
            {"shape": (2**60, *shape[1:])},
            {"shape": (-1, *shape[1:])},
            {"shape": (10**4000,)},
            {"shape": ()},
            {"shape": (*shape, 1)},
            {"shape": (shape[0] + 1, *shape[1:])},
            {"shape": tuple(reversed(shape)), "fortran_order": len(shape) > 1},
            {"descr": "|O"},
            {"descr": ">f8"},
            {"descr": [("a", "<f4")]},
            {"descr": "(" * 300},
            None,
        )
    )
    told = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape, **(other or {})}
    if other is None:
        header = b"{'descr': (\n" * draw.choice((1, 4000))
    else:
        with _any_digits():
            header = repr(told).encode()
    header = (header[:65_000] + b" " * (start - 10))[: max(start - 10, len(header[:65_000]))]
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data[start:])
    return path.read_bytes() != data


class _any_digits:  # noqa: N801 (a context manager, read as one)
    def __enter__(self) -> None:
        import sys

        self._before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)

    def __exit__(self, *_: object) -> None:
        import sys

        sys.set_int_max_str_digits(self._before)


HARMS: dict[str, Harm] = {
    "flip": flip,
    "flip header": flip_header,
    "cut": cut,
    "extend": extend,
    "zero": zero,
    "swap": swap,
    "remove": remove,
    "empty": empty,
    "directory": directory,
    "fifo": fifo,
    "link": link,
    "nested JSON": nested_json,
    "digits": digits,
    "other value": other_value,
    "false header": false_header,
}

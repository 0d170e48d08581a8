"""The values that pass between modules. Arrays state dtype, shape and order where they are used."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes8 = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One retrievable piece of text with its place.

    `title` is context that is encoded before the text but is not part of the lines: the class of a method, the heading
    path of a section, the title of a record. `text` is verbatim from `start_line` to `end_line` (1-based, inclusive).
    `metadata` is a JSON object in canonical form ("{}" where there is none).
    """

    chunk_id: int
    source: str
    path: str
    symbol: str
    kind: str
    part: int
    start_line: int
    end_line: int
    title: str
    text: str
    metadata: str = "{}"

    @property
    def encoded(self) -> str:
        """The text an encoder sees."""
        return encoded_text(self.title, self.text)

    @property
    def fields(self) -> dict[str, Any]:
        """The metadata as a dict."""
        loaded: dict[str, Any] = json.loads(self.metadata)
        return loaded


def encoded_text(title: str, text: str) -> str:
    """The text an encoder sees: the title as a line of its own before the text, where there is one."""
    return f"{title}\n{text}" if title else text


@dataclass(frozen=True, slots=True)
class FileState:
    """A source file as last read. The sha256 is the truth; size and mtime_ns are hints that save a read.

    A file is *stale* where `unread` says why what lies at its path now was not taken: the other fields then tell of
    what its rows came from (file_diff.UNREAD_SHA256 where it has none). `refused` is the sha256 of what was read and
    not taken, a cut-off export for example; "" where nothing could be read.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    unread: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file or record that could not be used, and why. `line` is 0 where the whole file is meant."""

    source: str
    path: str
    line: int
    reason: str
    detail: str

"""Digests of the blocks of large files, so that a part of one can be compared before anybody has the whole.

A list is the sha256 of each block of a file, one after the other; a document of a generation names the lists; the move
names the document. Whoever has a whole file proves its list against it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.remote.move import Move
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.stored_json import Digest, Stored

# A row of 384 float16 is 768 bytes, and the rows that a question re-ranks lie apart: 500 candidates of 1e6 rows read
# 8 MB in blocks of 16 KiB, 33 in blocks of 64; the lists take 1.5 and 0.4 MB, once.
BLOCK_BYTES = 16 * 2**10
# A smaller file comes whole: that is one request.
LISTED_BYTES = 2**20
DIGEST_BYTES = hashlib.sha256().digest_size
# What is read by range: rows of embeddings, and rows of chunks.
_LISTED = re.compile(r"segments/[^/]+/(embeddings\.[^/]+\.npy|chunks\.arrow)")


class BlockLists(Stored):
    """The lists of a generation's files, by the sha256 of the file."""

    format_version: Literal[1] = 1
    block_bytes: Annotated[int, Field(ge=1, le=64 * 2**20)]
    lists: dict[Digest, FileRecord]


class BlockDigests:
    """The list of a file, made as its bytes pass by."""

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self.begin()

    def begin(self) -> None:
        """Take a file from its first byte on, whatever was taken before."""
        self._left, self._open, self._done = self._block_bytes, hashlib.sha256(), bytearray()

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            part = view[: self._left]
            self._open.update(part)
            self._left -= len(part)
            view = view[len(part) :]
            if not self._left:
                self._end_block()

    def finish(self) -> bytes:
        """The list; the last block may be shorter."""
        if self._left < self._block_bytes:
            self._end_block()
        return bytes(self._done)

    def _end_block(self) -> None:
        self._done += self._open.digest()
        self._open, self._left = hashlib.sha256(), self._block_bytes


def listed(name: str, record: FileRecord) -> bool:
    """Whether a push makes a list of this file."""
    return record.bytes >= LISTED_BYTES and _LISTED.fullmatch(name) is not None


def block_count(record: FileRecord, block_bytes: int) -> int:
    return -(-record.bytes // block_bytes)


def read_lists(store: ObjectStore, move: Move, number: int) -> BlockLists | None:
    """The document of a generation that a move names; None where a release that made none pushed it."""
    record = move.blocks.get(number)
    if record is None:
        return None
    name = f"block lists of generation {number}"
    return BlockLists.from_bytes(store.bytes_of(record, name), f"{store.name}: {name}")


def read_list(store: ObjectStore, lists: BlockLists, record: FileRecord, name: str) -> bytes | None:
    """The list of a file, compared with its record; None where there is none. CorruptFile for one of another length."""
    there = lists.lists.get(record.sha256)
    if there is None:
        return None
    expected = block_count(record, lists.block_bytes) * DIGEST_BYTES
    if there.bytes != expected:
        raise CorruptFile(f"{store.name}: block list of {name}", f"{expected} bytes", f"{there.bytes} bytes")
    return store.bytes_of(there, f"block list of {name}")


def list_records(store: ObjectStore, move: Move, kept: Mapping[int, FileRecord]) -> Iterator[FileRecord]:
    """Of the generations that stay: their documents, and the lists that these name."""
    for number in kept:
        if (lists := read_lists(store, move, number)) is not None:
            yield move.blocks[number]
            yield from lists.lists.values()


def refuse_other_list(told: bytes, found: bytes, name: str, source: str) -> None:
    """CorruptFile where a list is not that of the file, whose sha256 holds: the first block that differs is named."""
    if told == found:
        return
    pairs = zip(_digests(told), _digests(found), strict=False)
    index, (said, made) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise CorruptFile(
        f"block list of {name} (from {source})", f"block {index} of sha256 {made}, as in the file", f"sha256 {said}"
    )


def _digests(data: bytes) -> Iterator[str]:
    return (data[start : start + DIGEST_BYTES].hex() for start in range(0, len(data), DIGEST_BYTES))

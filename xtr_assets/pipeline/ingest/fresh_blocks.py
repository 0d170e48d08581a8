"""Texts and names of a segment that have to be encoded: block by block, the names of a block in its own batches."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.core.files import replacing
from xtr_assets.core.raw_arrays import save_array
from xtr_assets.core.types import Halves, Ints, encoded_text
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.ingest.encode_blocks import Block, block_name
from xtr_assets.pipeline.ingest.encode_plan import Hashes
from xtr_assets.pipeline.ingest.row_names import names_at
from xtr_assets.storage.arrays import check_unit_rows
from xtr_assets.storage.segment import Segment

log = logging.getLogger(__name__)

Progress = Callable[[int], None]
Left = TypeVar("Left")

# Blocks held in memory while a segment is written: rows come mostly in the order of the blocks, a text that stood
# earlier in the segment reaches back. Sixteen blocks of the embedded encoder are 110 MB.
BLOCKS_IN_MEMORY = 16
_NO_ROWS = np.empty(0, np.int64)


class EncodedMeanwhile(Exception):
    """Another process encoded the segment while this one did. Never leaves `encode_segment`."""


class FreshBlocks:
    """More than one block is kept on disk until the segment is written: texts and names each in a file of their own,
    found again by what they hold, so that whichever a crash left need not be encoded again."""

    def __init__(
        self,
        segment: Segment,
        encoder: Encoder,
        texts: Sequence[Ints],
        names: Sequence[Ints],
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """texts, names : rows int64 of each block; ended : whether the segment has all of it by now."""
        self._segment, self._encoder, self._texts, self._names = segment, encoder, texts, names
        self._ended = ended
        self._staging = f"encode.{encoder.fingerprint[:8]}"
        self._staged = max(len(texts), len(names)) > 1
        self._memory: dict[int, Block] = {}
        self._vectors: list[Halves] = []
        self.encoded = self.resumed = self.windowed = self.named = 0

    def encode_all(self, name_hashes: Hashes | None, tell: Progress) -> None:
        """Encode what no earlier run has left behind. name_hashes : uint64 [rows, 2] of the segment's rows.

        EncodedMeanwhile where somebody else ended it, who took the blocks away that both kept.
        """
        for number, (rows, named) in enumerate(zip_longest(self._texts, self._names, fillvalue=_NO_ROWS)):
            if number and self._ended():
                raise EncodedMeanwhile
            text_path = self._text_path(number) if len(rows) else None
            name_path = self._name_path(named, name_hashes) if len(named) else None
            left = None if text_path is None else _left(text_path, Block.load)
            whole = partial(_whole, shape=(len(named), self._encoder.dim))
            left_names = None if name_path is None else _left(name_path, whole)
            texts = self._wanted(rows) if text_path is not None and left is None else []
            names = names_at(self._segment.chunks(), named) if name_path is not None and left_names is None else []
            try:
                block, vectors = self._encode(texts, names, tell)
            except UnusableText as error:
                # Of each block all texts are encoded, or none.
                whose = [*rows[: len(texts)].tolist(), *named[: len(names)].tolist()]
                if not 0 <= error.index < len(whose):
                    raise
                raise self._unusable(whose[error.index], error.index >= len(texts), error) from error
            if text_path is not None:
                if left is not None:
                    self.resumed += len(rows)
                    tell(len(rows))
                    block = left
                assert block is not None, "what is not left is encoded"
                if left is None and self._staged:
                    block.save(text_path)
                self._remember(number, block)
            if name_path is not None:
                self._vectors.append(self._kept(name_path, vectors) if left_names is None else left_names)

    def block(self, number: int) -> Block:
        """The vectors of a block of texts, from memory or from disk."""
        if number not in self._memory:
            self._remember(number, Block.load(self._text_path(number)))
        return self._memory[number]

    def names(self, number: int) -> Halves:
        """float16 [n, dim]: the vectors of a block of names."""
        return self._vectors[number]

    def forget(self) -> None:
        """The segment holds everything now."""
        self._memory.clear()
        self._vectors.clear()
        self._segment.drop_staging(self._staging)

    def _encode(self, texts: Sequence[str], names: Sequence[str], tell: Progress) -> tuple[Block | None, Halves | None]:
        """In one pass: the batches are cut by length from all of them."""
        if not texts and not names:
            return None, None
        encoded = self._encoder.encode_documents([*texts, *names], _told_of(len(texts), len(names), tell))
        self.encoded += len(texts)
        self.named += len(names)
        self.windowed += encoded.windows
        vectors = encoded.embeddings[len(texts) :].astype(np.float16, copy=False) if names else None
        return (Block.of(encoded.first(len(texts))) if texts else None), vectors

    def _unusable(self, row: int, named: bool, error: UnusableText) -> InvalidInput:
        """The error with the place of its text, by which people find it, in place of its number."""
        path, symbol = (self._segment.chunks().column(name)[row].as_py() for name in ("path", "symbol"))
        what = "name" if named else "text"
        return InvalidInput(
            f"{self._encoder.name} makes no vector of the {what} of {path}{f' ({symbol})' if symbol else ''}: "
            f"{error.problem}; leave the file out by `exclude` of its source, or set the encoder's precision to fp32"
        )

    def _wanted(self, rows: Ints) -> list[str]:
        table = self._segment.chunks()
        titles, texts = table.column("title"), table.column("text")
        return [encoded_text(titles[row].as_py(), texts[row].as_py()) for row in rows.tolist()]

    def _text_path(self, number: int) -> Path:
        hashes = self._segment.chunks().column("text_hash")
        name = block_name([hashes[row].as_py() for row in self._texts[number].tolist()])
        return self._segment.staging(self._staging) / name

    def _name_path(self, rows: Ints, hashes: Hashes | None) -> Path:
        assert hashes is not None, "names are planned by their hashes"
        name = block_name([hashes[rows].tobytes()]).removesuffix(".npz")
        return self._segment.staging(self._staging) / f"names.{name}.npy"

    def _kept(self, path: Path, vectors: Halves | None) -> Halves:
        """The vectors, mapped from disk where there are other blocks: names of a large segment fill no memory."""
        assert vectors is not None, "what is not left is encoded"
        if not self._staged:
            return vectors
        with replacing(path) as temporary:
            save_array(temporary, vectors)
        return _mapped(path)

    def _remember(self, number: int, block: Block) -> None:
        while len(self._memory) >= BLOCKS_IN_MEMORY:
            del self._memory[next(iter(self._memory))]
        self._memory[number] = block


def _left(path: Path, read: Callable[[Path], Left]) -> Left | None:
    """What an earlier run left behind; None where there is nothing, or what is damaged and is encoded again."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except Exception as error:  # numpy, zipfile and tokenize raise errors of a dozen kinds for a flipped bit
        log.warning("%s cannot be read and is encoded again: %s", path, error)
        return None


def _whole(path: Path, shape: tuple[int, int]) -> Halves:
    """Names as they were kept. ValueError where the file holds others, InvalidInput where they are no names: it has no
    sum, and what is not of unit length would end each build as it is written."""
    found = _mapped(path)
    if (found.shape, found.dtype) != (shape, np.dtype(np.float16)):
        raise ValueError(f"{found.dtype} {found.shape} in place of float16 {shape}")
    check_unit_rows(found, 0, shape[1], path.name)
    return found


def _mapped(path: Path) -> Halves:
    mapped: Halves = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _told_of(texts: int, names: int, tell: Progress) -> Progress:
    """Progress of a pass over texts and names, told as texts alone."""
    done = told = 0

    def tell_texts(finished: int) -> None:
        nonlocal done, told
        done += finished
        now = done * texts // (texts + names)
        if now > told:
            tell(now - told)
        told = now

    return tell_texts

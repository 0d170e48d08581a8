"""Writing what an encoder made into a segment: validated row by row, streamed, committed once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.arguments import check_offsets
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.files import fsync_tree, move_into_place, record, write_atomic
from xtr_assets.core.name_text import Naming
from xtr_assets.core.types import Bytes8, Floats, Halves, Int32s, Ints
from xtr_assets.storage.arrays import (
    ArrayWriter,
    array_writer,
    blocks_of,
    check_name_rows,
    check_scales,
    check_unit_rows,
)
from xtr_assets.storage.manifest import Listing
from xtr_assets.storage.segment import NAME_HASHES, NAME_VECTORS, Segment
from xtr_assets.storage.temporary_files import scratch
from xtr_assets.storage.vector_files import (
    LISTING_NAME,
    embeddings_file,
    embeddings_listing,
    names_folder,
    tokens_folder,
)

TOKEN_FILES = ("tokens.npy", "scales.npy", "token_ids.npy")


class EmbeddingsWriter:
    """Takes the rows of a segment in order, block by block."""

    def __init__(self, writer: ArrayWriter, dim: int, name: str) -> None:
        self._writer, self._dim, self._name = writer, dim, name

    def append(self, block: Halves | Floats) -> None:
        """float16|float32 [n, dim], finite and of unit length."""
        for _, part in blocks_of(block):
            check_unit_rows(part, self._writer.rows, self._dim, self._name)
            self._writer.append(part.astype(np.float16, copy=False))


@contextmanager
def embeddings_writer(segment: Segment, fingerprint: str, dim: int) -> Iterator[EmbeddingsWriter]:
    """Write embeddings with bounded memory; they exist when the block ends without an error."""
    name = embeddings_file(fingerprint)
    label = f"{segment.segment_id}/{name}"
    with scratch(segment.layout) as folder:
        with array_writer(folder / name, np.float16, (dim,)) as writer:
            yield EmbeddingsWriter(writer, dim, label)
        if writer.rows != segment.rows:
            raise InvalidInput(f"{label}: {segment.rows} rows expected, {writer.rows} were given; nothing was kept")
        fsync_tree(folder)
        listing = Listing(made_by=fingerprint, files={name: record(folder / name)})
        with segment.committing():
            if not segment.has_embeddings(fingerprint):
                move_into_place(folder / name, segment.directory / name)
                write_atomic(segment.directory / embeddings_listing(fingerprint), listing.to_bytes())


def write_embeddings(segment: Segment, fingerprint: str, embeddings: Halves | Floats) -> bool:
    """Keep float16|float32 [rows, dim] as float16; False where they were there already."""
    if segment.has_embeddings(fingerprint):
        return False
    if embeddings.ndim != 2:
        raise InvalidInput(f"{segment.segment_id}: embeddings [rows, dim] expected, found {list(embeddings.shape)}")
    with embeddings_writer(segment, fingerprint, embeddings.shape[1]) as writer:
        writer.append(embeddings)
    return True


class NamesWriter:
    """Takes the names of a segment in row order, block by block."""

    def __init__(self, vectors: ArrayWriter, hashes: ArrayWriter, dim: int, name: str) -> None:
        self._vectors, self._hashes, self._dim, self._name = vectors, hashes, dim, name

    def append(self, vectors: Halves | Floats, hashes: npt.NDArray[np.uint64]) -> None:
        """float16|float32 [n, dim], of unit length, and uint64 [n, 2]; both 0 where a row has no name."""
        for start, part in blocks_of(vectors):
            own = hashes[start : start + len(part)]
            check_name_rows(part, own, self._vectors.rows, self._dim, self._name)
            self._vectors.append(part.astype(np.float16, copy=False))
            self._hashes.append(own)


@contextmanager
def names_writer(segment: Segment, fingerprint: str, dim: int, naming: Naming = "all") -> Iterator[NamesWriter]:
    """Write names with bounded memory; they exist when the block ends without an error."""
    name = names_folder(fingerprint, naming)
    label = f"{segment.segment_id}/{name}"
    with scratch(segment.layout) as folder:
        staged = folder / name
        staged.mkdir()
        with (
            array_writer(staged / NAME_VECTORS, np.float16, (dim,)) as vectors,
            array_writer(staged / NAME_HASHES, np.uint64, (2,)) as hashes,
        ):
            yield NamesWriter(vectors, hashes, dim, label)
        if vectors.rows != segment.rows:
            raise InvalidInput(f"{label}: {segment.rows} rows expected, {vectors.rows} were given; nothing was kept")
        listing = Listing(made_by=fingerprint, files={p.name: record(p) for p in sorted(staged.iterdir())})
        (staged / LISTING_NAME).write_bytes(listing.to_bytes())
        # Asked here, too: see tokens_writer.
        if not segment.has_names(fingerprint, naming):
            segment.commit_folder(staged, name)


class TokensWriter:
    """Takes the tokens of a segment in row order, block by block."""

    def __init__(self, writers: dict[str, ArrayWriter], dim: int, name: str) -> None:
        self._writers, self._dim, self._name = writers, dim, name
        self._counts: list[Ints] = []

    def append(self, tokens: Bytes8, scales: Halves, counts: Ints, token_ids: Int32s) -> None:
        """int8 [t, dim], float16 [t], int64 [n] tokens of each of the next n rows (sum t), int32 [t]."""
        first = self._writers["tokens.npy"].rows
        if tokens.ndim != 2 or tokens.shape[1] != self._dim:
            raise InvalidInput(f"{self._name}: token dim {self._dim} expected, found shape {list(tokens.shape)}")
        if not len(tokens) == len(scales) == len(token_ids) == int(counts.sum()):
            raise InvalidInput(
                f"{self._name}: {len(tokens)} tokens, {len(scales)} scales, {len(token_ids)} token ids and "
                f"{int(counts.sum())} tokens in the counts; all four must agree"
            )
        arrays: tuple[npt.NDArray[Any], ...] = (tokens, scales, token_ids)
        for name, array in zip(TOKEN_FILES, arrays, strict=True):
            for start, part in blocks_of(array):
                if name == "scales.npy":
                    check_scales(part, first + start, f"{self._name}/{name}")
                self._writers[name].append(part)
        self._counts.append(counts.astype(np.int64))

    def offsets(self) -> Ints:
        """int64 [rows + 1] of what was appended."""
        return np.cumsum(np.concatenate([np.zeros(1, np.int64), *self._counts]))


@contextmanager
def tokens_writer(segment: Segment, fingerprint: str, dim: int) -> Iterator[TokensWriter]:
    """Write token arrays with bounded memory; they exist when the block ends without an error."""
    name = tokens_folder(fingerprint)
    label = f"{segment.segment_id}/{name}"
    with scratch(segment.layout) as folder:
        staged = folder / name
        staged.mkdir()
        kinds: tuple[tuple[Any, tuple[int, ...]], ...] = ((np.int8, (dim,)), (np.float16, ()), (np.int32, ()))
        with ExitStack() as files:
            writers = {
                file: files.enter_context(array_writer(staged / file, dtype, trailing))
                for file, (dtype, trailing) in zip(TOKEN_FILES, kinds, strict=True)
            }
            writer = TokensWriter(writers, dim, label)
            yield writer
        offsets = writer.offsets()
        check_offsets(offsets, writers["tokens.npy"].rows, f"{label}/offsets.npy", segment.rows)
        _save(staged / "offsets.npy", offsets)
        listing = Listing(made_by=fingerprint, files={p.name: record(p) for p in sorted(staged.iterdir())})
        (staged / LISTING_NAME).write_bytes(listing.to_bytes())
        # Asked here, too: two encoders may share the eight characters that name the folder.
        if not segment.has_tokens(fingerprint):
            segment.commit_folder(staged, name)


def write_tokens(
    segment: Segment, fingerprint: str, tokens: Bytes8, scales: Halves, offsets: Ints, token_ids: Int32s
) -> bool:
    """Keep token arrays of a whole segment; False where they were there already."""
    if segment.has_tokens(fingerprint):
        return False
    label = f"{segment.segment_id}/{tokens_folder(fingerprint)}"
    if tokens.ndim != 2:
        raise InvalidInput(f"{label}/tokens.npy: tokens [T, dim] expected, found {list(tokens.shape)}")
    check_offsets(offsets, len(tokens), f"{label}/offsets.npy", segment.rows)
    with tokens_writer(segment, fingerprint, tokens.shape[1]) as writer:
        writer.append(tokens, scales, np.diff(offsets), token_ids)
    return True


def _save(path: Any, array: npt.NDArray[Any]) -> None:
    with array_writer(path, array.dtype, array.shape[1:]) as writer:
        writer.append(array)

"""A segment: immutable rows of one change of one shard. It only ever gains folders, each with its own list of files."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xtr_assets.core.errors import CorruptFile, StorageError
from xtr_assets.core.files import FileRecord, fsync_tree, move_into_place, record
from xtr_assets.core.name_text import Naming
from xtr_assets.core.raw_arrays import open_array
from xtr_assets.core.types import Bytes8, Floats, Halves, Int32s, Ints, VectorKind
from xtr_assets.storage.arrays import check_finite
from xtr_assets.storage.chunk_files import ARROW_NAME, hashes_of, ids_of, open_chunks
from xtr_assets.storage.digests import check_digest, check_size, is_sound, note_sound, stamp_of
from xtr_assets.storage.layout import Layout, safe_name
from xtr_assets.storage.links import refuse_linked, refuse_links
from xtr_assets.storage.lock import committing
from xtr_assets.storage.manifest import Listing, SegmentInfo
from xtr_assets.storage.stored_json import read_stored
from xtr_assets.storage.vector_files import (
    LISTING_NAME,
    embeddings_file,
    embeddings_listing,
    names_folder,
    tokens_folder,
)

NAME_VECTORS, NAME_HASHES = "vectors.npy", "hashes.npy"
SEGMENT_NAME = "segment.json"
# The records of a manifest, where a generation opens the segment.
Expected = Mapping[str, FileRecord] | None


@dataclass(frozen=True, slots=True)
class TokenArrays:
    """Token embeddings of a segment, memory-mapped.

    tokens : int8 [T, token_dim]; scales : float16 [T], a token is `tokens[i] * scales[i]`; offsets : int64 [rows + 1],
    position p owns `offsets[p]:offsets[p + 1]`; token_ids : int32 [T], what the tokenizer called them.
    """

    tokens: Bytes8
    scales: Halves
    offsets: Ints
    token_ids: Int32s


class Segment:
    """The folder segments/<segment_id>.

    Opened by a generation, every file is held against the manifest's records, and the names are those that it lists, in
    whatever wording; opened alone, against the lists that lie in the segment itself, and names are worded as this
    release does.
    """

    def __init__(self, layout: Layout, info: SegmentInfo, expected: Expected = None, names: str = "") -> None:
        self.layout, self.info, self._expected, self._names = layout, info, expected, names
        self.segment_id, self.rows, self.shard = info.segment_id, info.rows, info.shard
        self.directory = layout.segment(info.segment_id)
        # Asked for some thousand times in a small build.
        self._prefix = f"{layout.relative(self.directory)}/"

    @classmethod
    def open(cls, layout: Layout, segment_id: str, expected: Expected = None, names: str = "") -> "Segment":
        """Read segment.json, verified where `expected` (a manifest's files) is given. `names` : the folder of its names
        by that manifest; else that of this release's wording."""
        path = layout.segment(segment_id) / SEGMENT_NAME
        name = layout.relative(path)
        if expected is not None:
            check_digest(path, _expected(expected, name), name)
        info = read_stored(SegmentInfo, path, name)
        if info.segment_id != segment_id or not info.content.startswith(segment_id):
            raise CorruptFile(name, f"segment {segment_id}", f"segment {info.segment_id}")
        return cls(layout, info, expected, names)

    def __repr__(self) -> str:
        return f"Segment({self.segment_id}, rows={self.rows})"

    # -- rows ---------------------------------------------------------------------------------------------------------

    def chunks(self) -> pa.Table:
        """The rows, memory-mapped without a copy; columns as CHUNK_SCHEMA."""
        return self._reader.read_all()

    def chunk_batch(self, index: int) -> pa.RecordBatch:
        """Rows `index * info.batch_rows` onwards, one batch of the file."""
        return self._reader.get_batch(index)

    @cached_property
    def _reader(self) -> Any:
        reader = open_chunks(self.verified(ARROW_NAME))
        rows = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
        if rows != self.rows:
            raise CorruptFile(self._name(ARROW_NAME), f"{self.rows} rows", f"{rows} rows")
        return reader

    def chunk_ids(self) -> Ints:
        """int64 [rows]"""
        return ids_of(self.chunks())

    def text_hashes(self) -> npt.NDArray[np.uint64]:
        """uint64 [rows, 2]: the 16 bytes of core.ids.text_hash as they lie."""
        return hashes_of(self.chunks())

    # -- embeddings and tokens ----------------------------------------------------------------------------------------

    def has_embeddings(self, fingerprint: str) -> bool:
        return self._made_by(embeddings_listing(fingerprint), fingerprint)

    def has_tokens(self, fingerprint: str) -> bool:
        return self._made_by(f"{tokens_folder(fingerprint)}/{LISTING_NAME}", fingerprint)

    def has_vectors(self, kind: VectorKind) -> bool:
        """Whether all that an encoder gives of its texts is there."""
        there = {"dense": self.has_embeddings, "tokens": self.has_tokens}
        return all(there[leg](kind.fingerprint) for leg in kind.legs)

    def embeddings(self, fingerprint: str) -> Halves:
        """float16 [rows, dim], unit length, memory-mapped; checked by size, header, and for numbers that are finite."""
        self._need(self.has_embeddings(fingerprint), "embeddings", fingerprint)
        name = embeddings_file(fingerprint)
        return self._finite(name, self._array(name, np.float16, (self.rows, None)))

    def has_names(self, fingerprint: str, naming: Naming = "all") -> bool:
        """Whether the names of its rows are encoded; opened by a generation, those that it lists, of whatever rows."""
        return self._made_by(f"{self._names_folder(fingerprint, naming)}/{LISTING_NAME}", fingerprint)

    def names(self, fingerprint: str, naming: Naming = "all") -> Halves:
        """float16 [rows, dim], memory-mapped: of unit length, or all zero where a row has no name; checked as
        embeddings are."""
        self._need(self.has_names(fingerprint, naming), "names", fingerprint)
        name = f"{self._names_folder(fingerprint, naming)}/{NAME_VECTORS}"
        return self._finite(name, self._array(name, np.float16, (self.rows, None)))

    def name_hashes(self, fingerprint: str, naming: Naming = "all") -> npt.NDArray[np.uint64]:
        """uint64 [rows, 2]: the text hash of what was encoded as the name of each row, 0 where it has none. Checked by
        sha256: names are found again by it."""
        self._need(self.has_names(fingerprint, naming), "names", fingerprint)
        name = f"{self._names_folder(fingerprint, naming)}/{NAME_HASHES}"
        self.verified(name)
        return self._array(name, np.uint64, (self.rows, 2))

    def tokens(self, fingerprint: str) -> TokenArrays:
        """Memory-mapped; the offsets, which decide what is read, checked by sha256, the others by size and header, the
        scales for numbers that are finite."""
        self._need(self.has_tokens(fingerprint), "tokens", fingerprint)
        folder = tokens_folder(fingerprint)
        self.verified(f"{folder}/offsets.npy")
        offsets = self._array(f"{folder}/offsets.npy", np.int64, (self.rows + 1,))
        count = int(offsets[-1])
        return TokenArrays(
            tokens=self._array(f"{folder}/tokens.npy", np.int8, (count, None)),
            scales=self._finite(f"{folder}/scales.npy", self._array(f"{folder}/scales.npy", np.float16, (count,))),
            offsets=offsets,
            token_ids=self._array(f"{folder}/token_ids.npy", np.int32, (count,)),
        )

    def dims(self, kind: VectorKind, *, names: Naming = "") -> tuple[int, int]:
        """(dim, token_dim) of what this encoder made of it, 0 of a leg that it does not give. CorruptFile where names
        have another dim."""
        fingerprint = kind.fingerprint
        dim = self.embeddings(fingerprint).shape[1] if "dense" in kind.legs else 0
        if names and (other := self.names(fingerprint, names).shape[1]) != dim:
            name = f"{self._names_folder(fingerprint, names)}/{NAME_VECTORS}"
            raise CorruptFile(self._name(name), f"dim {dim}, as the embeddings", f"dim {other}")
        return dim, self.tokens(fingerprint).tokens.shape[1] if "tokens" in kind.legs else 0

    def _names_folder(self, fingerprint: str, naming: Naming) -> str:
        return self._names or names_folder(fingerprint, naming)

    def _array(self, name: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
        self._check_size(name)
        return open_array(self.directory / name, self._name(name), dtype, shape)

    def _finite(self, name: str, array: Halves) -> Halves:
        """The array; CorruptFile where a number of it is none. It is looked at once in a process, while it is as it
        was."""
        path = self.directory / name
        if not is_sound(path):
            stamp = stamp_of(path)
            check_finite(array, self._name(name))
            note_sound(path, stamp)
        return array

    def write_embeddings(self, fingerprint: str, embeddings: Halves | Floats) -> bool:
        """Keep float16|float32 [rows, dim], unit length, as float16. False where they were there already."""
        from xtr_assets.storage.encoding_writer import write_embeddings

        return write_embeddings(self, fingerprint, embeddings)

    def write_tokens(self, fingerprint: str, tokens: Bytes8, scales: Halves, offsets: Ints, token_ids: Int32s) -> bool:
        """Keep token arrays as TokenArrays describes them. False where they were there already."""
        from xtr_assets.storage.encoding_writer import write_tokens

        return write_tokens(self, fingerprint, tokens, scales, offsets, token_ids)

    # -- folders of other makers --------------------------------------------------------------------------------------

    def folder(self, name: str) -> Path:
        """Where the sealed folder `name` lies, there or not: `postings.<model8>`, `lexical.<version>`."""
        return self.directory / safe_name(name, "folder")

    def has_folder(self, name: str) -> bool:
        return (self.folder(name) / LISTING_NAME).is_file()

    def staging(self, name: str) -> Path:
        """A folder for unfinished work that survives a crash; `seal_folder` turns it into `folder(name)`."""
        path = self.layout.staging(self.segment_id, name)
        refuse_linked(self.layout, path)
        while not path.is_dir():
            # Another step may remove the empty folder around it between the two.
            with suppress(FileNotFoundError):
                path.mkdir(parents=True, exist_ok=True)
        refuse_links(self.layout, path)
        return path

    def drop_staging(self, name: str) -> None:
        """Remove unfinished work that is no longer needed."""
        path = self.layout.staging(self.segment_id, name)
        refuse_linked(self.layout, path)
        shutil.rmtree(path, ignore_errors=True)
        # Where another step has work of its own there, or begins it right now, the folder stays.
        with suppress(OSError):
            path.parent.rmdir()

    def seal_folder(self, name: str, made_by: str | None = None) -> None:
        """Commit `staging(name)`: list its files, make them durable, rename. The first to seal a name wins."""
        staged = self.staging(name)
        (staged / LISTING_NAME).unlink(missing_ok=True)
        files = {p.relative_to(staged).as_posix(): record(p) for p in sorted(staged.rglob("*")) if p.is_file()}
        if not files:
            raise StorageError(f"{self._name(name)}: nothing was written to {staged.name}; write its files, then seal")
        (staged / LISTING_NAME).write_bytes(Listing(made_by=made_by or name, files=files).to_bytes())
        self.commit_folder(staged, name)
        self.drop_staging(name)

    def commit_folder(self, staged: Path, name: str) -> None:
        """Durable first, then renamed under the commit lock: what is large is not written while others wait.

        The first to commit a name wins. A folder without its list is none, and is replaced.
        """
        fsync_tree(staged)
        with self.committing():
            if not self.has_folder(name):
                shutil.rmtree(self.folder(name), ignore_errors=True)
                move_into_place(staged, self.folder(name))

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Hold the commit lock: two encoders of one segment must not mix their files. StorageError where it is gone: a
        folder without its rows would be no segment, and keep that one from being made again."""
        refuse_links(self.layout, self.directory)
        with committing(self.layout, f"segment {self.segment_id}"):
            if not (self.directory / SEGMENT_NAME).is_file():
                told = "was collected meanwhile: its shard has other rows by now; nothing was kept, run the step again"
                raise StorageError(f"segment {self.segment_id} {told}")
            yield

    # -- records ------------------------------------------------------------------------------------------------------

    def listing(self, name: str) -> Listing | None:
        """The parsed list `name` (relative to the segment); None where it was never committed."""
        path = self.directory / name
        if self._expected is not None:
            if self._name(name) not in self._expected:
                return None
            check_digest(path, self._expected[self._name(name)], self._name(name))
        elif not path.is_file():
            return None
        return read_stored(Listing, path, self._name(name))

    def listings(self) -> list[str]:
        """Names of every list there is, relative to the segment."""
        beside = [p.name for p in self.directory.glob("embeddings.*.json")]
        return sorted(beside + [f"{p.parent.name}/{p.name}" for p in self.directory.glob(f"*/{LISTING_NAME}")])

    def records(self, listings: list[str] | None = None) -> dict[str, FileRecord]:
        """Every file, lists included, of the rows and of the named (else all) listings, by path in the warehouse."""
        found = {self._name(SEGMENT_NAME): record(self.directory / SEGMENT_NAME)}
        found |= {self._name(name): one for name, one in self.info.files.items()}
        for name in self.listings() if listings is None else listings:
            listed = self.listing(name)
            if listed is None:
                raise StorageError(f"{self._name(name)} was never committed; run the step that makes it first")
            folder = f"{name.rpartition('/')[0]}/" if "/" in name else ""
            found[self._name(name)] = record(self.directory / name)
            found |= {self._name(folder + file): one for file, one in listed.files.items()}
        return found

    def encoding_listings(self, kind: VectorKind, *, names: Naming = "") -> list[str]:
        """The lists of what an encoder gives, with those of the names where they are asked for."""
        fingerprint = kind.fingerprint
        own = [embeddings_listing(fingerprint)] if "dense" in kind.legs else []
        folders = [tokens_folder(fingerprint)] if "tokens" in kind.legs else []
        folders += [names_folder(fingerprint, names)] if names else []
        return [*own, *(f"{folder}/{LISTING_NAME}" for folder in folders)]

    def verified(self, name: str) -> Path:
        """The path of a file of this segment whose sha256 was compared."""
        check_digest(self.directory / name, self._record(name), self._name(name))
        return self.directory / name

    def _check_size(self, name: str) -> None:
        check_size(self.directory / name, self._record(name), self._name(name))

    def _record(self, name: str) -> FileRecord:
        if self._expected is not None:
            return _expected(self._expected, self._name(name))
        if name in self.info.files:
            return self.info.files[name]
        folder, _, file = name.rpartition("/")
        listed = self.listing(f"{folder}/{LISTING_NAME}" if folder else name.replace(".npy", ".json"))
        if listed is None or file not in listed.files:
            raise CorruptFile(self._name(name), "a record of this file", "none")
        return listed.files[file]

    def _made_by(self, listing: str, fingerprint: str) -> bool:
        listed = self.listing(listing)
        if listed is not None and listed.made_by != fingerprint:
            raise CorruptFile(self._name(listing), f"files made by {fingerprint}", f"made by {listed.made_by}")
        return listed is not None

    def _need(self, there: bool, what: str, fingerprint: str) -> None:
        if not there:
            raise StorageError(
                f"segment {self.segment_id} has no {what} of encoder {fingerprint[:8]}; encode it first "
                "(`xtr-assets build`)"
            )

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"


def _expected(expected: Mapping[str, FileRecord], name: str) -> FileRecord:
    if name not in expected:
        raise CorruptFile(name, "a record in the manifest", "none")
    return expected[name]

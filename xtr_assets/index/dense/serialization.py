"""A dense index as files: dense.faiss alone for a warehouse, or a folder of its own with vectors.npy and dense.json."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.errors import CorruptFile, InvalidInput, UnknownFormat
from xtr_assets.core.files import FileRecord, check, read_regular, record, replacing, write_atomic
from xtr_assets.core.json_document import read_json
from xtr_assets.core.raw_arrays import open_array
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.index.faiss_provider import load_faiss, provider

faiss = load_faiss()

FORMAT_VERSION = 1
INDEX_FILE, VECTORS_FILE, DESCRIPTION_FILE = "dense.faiss", "vectors.npy", "dense.json"
# FAISS keeps its limits in process-wide variables.
_LIMITS = threading.Lock()
COPY_ROWS = 65_536
# On reading, IVF,PQ gets a table of lists x parts x codes floats: 16 codes and dim / 4 parts are 4 times the centroids
# in the file, 256 codes and dim / 2 parts 128 times. The table itself FAISS bounds to 2 GiB.
PARSED_FACTOR = 128


@dataclass(frozen=True, slots=True)
class Stored:
    """What a folder holds, verified: the parsed index, the memory-mapped vectors, recipe and profile."""

    index: Any
    vectors: RowVectors
    recipe: str
    profile: Mapping[str, Any]


def write_index(index: Any, path: Path) -> None:
    """Write the FAISS file. Raises OSError as the system says it: FAISS's own way to a file does not look whether it
    could be closed, and on a full disk the end of an index was lost without a word."""
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def stored_bytes(index: Any) -> int:
    """The size of the FAISS file, which is what it holds in memory; written to memory, so for samples."""
    return int(faiss.serialize_index(index).nbytes)


def read_index(path: Path, name: str) -> Any:
    """Parse a FAISS file whose sha256 was verified before; `name` is what an error calls it.

    No vector of the file can be larger than the file, and what FAISS makes of it on reading no larger than
    PARSED_FACTOR files: with that limit a wrong length is refused before it is allocated.
    """
    if not path.is_file():
        raise CorruptFile(name, "a FAISS index", "no file")
    size = path.stat().st_size
    with _LIMITS:
        before = faiss.get_deserialization_vector_byte_limit()
        faiss.set_deserialization_vector_byte_limit(max(PARSED_FACTOR * size, 1 << 16))
        try:
            return faiss.read_index(str(path))
        except (RuntimeError, MemoryError) as error:
            # FAISS's own message names its source lines; the last sentence is the reason.
            raise CorruptFile(name, "a FAISS index", str(error).rsplit(": ", 1)[-1][:200] or "unreadable") from error
        finally:
            faiss.set_deserialization_vector_byte_limit(before)


def save_folder(folder: Path, index: Any, vectors: RowVectors, recipe: str, profile: Mapping[str, Any]) -> None:
    """Write the folder; the description, which carries the digests, is replaced last.

    A reader between two renames sees files that do not match the description, and refuses them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / VECTORS_FILE) as temporary:
        _write_vectors(temporary, vectors)
    with replacing(folder / INDEX_FILE) as temporary:
        write_index(index, temporary)
    files = {name: record(folder / name) for name in (INDEX_FILE, VECTORS_FILE)}
    description = {
        "format_version": FORMAT_VERSION,
        "dim": vectors.dim,
        "end_row": vectors.end_row,
        "recipe": recipe,
        "profile": dict(profile),
        "faiss": provider().as_json(),
        "files": {name: {"bytes": one.bytes, "sha256": one.sha256} for name, one in files.items()},
    }
    write_atomic(folder / DESCRIPTION_FILE, json.dumps(description, indent=2, sort_keys=True).encode() + b"\n")


def load_folder(folder: Path) -> Stored:
    """Verify every file of the folder by sha256, then parse. Raises CorruptFile naming the file."""
    described = folder / DESCRIPTION_FILE
    if not described.is_file():
        raise InvalidInput(f"no dense index in {folder}: {DESCRIPTION_FILE} is missing; DenseIndex.save writes one")
    try:
        description: dict[str, Any] = read_json(read_regular(described, DESCRIPTION_FILE))
        version, dim, end_row = (int(description[key]) for key in ("format_version", "dim", "end_row"))
        records = {name: FileRecord(int(r["bytes"]), str(r["sha256"])) for name, r in description["files"].items()}
        recipe, profile = str(description["recipe"]), dict(description["profile"])
        expected = [records[name] for name in (INDEX_FILE, VECTORS_FILE)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFile(
            DESCRIPTION_FILE, "the description of a dense index", f"{type(error).__name__}: {error}"
        ) from error
    if version != FORMAT_VERSION:
        raise UnknownFormat(f"{described} has format_version {version}, this release reads {FORMAT_VERSION}; update it")
    for name, one in zip((INDEX_FILE, VECTORS_FILE), expected, strict=True):
        check(folder / name, one, name)
    stored = open_array(folder / VECTORS_FILE, VECTORS_FILE, np.float16, (end_row, dim))
    return Stored(
        read_index(folder / INDEX_FILE, INDEX_FILE), RowVectors([VectorPart(0, stored)], dim), recipe, profile
    )


def _write_vectors(path: Path, vectors: RowVectors) -> None:
    """float16 [end_row, dim]: holes between parts are zeros, so that a row is its own position in the file."""
    with path.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (vectors.end_row, vectors.dim)}
        np.lib.format.write_array_header_1_0(file, header)
        written = 0
        for part in vectors.parts:
            if hole := part.base_row - written:
                file.write(bytes(2 * vectors.dim * hole))
            for start in range(0, len(part.vectors), COPY_ROWS):
                file.write(np.ascontiguousarray(part.vectors[start : start + COPY_ROWS], "<f2").tobytes())
            written = part.end_row

"""Postings: the tokens of one segment by centroid. Raw arrays only, so that opening them is mapping them.

Folder `postings.<model>`: `lists.npy` int32 [C + 1] (list c is lists[c]:lists[c + 1]), `positions.npy` int32 [T] (the
document of each posting, counted within the segment), `residuals.npy` uint8 [T, d/2] (4-bit codes), `postings.json`.
Postings of a list ascend by position. Positions are local, so a segment's postings serve every generation it is in.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.codec import decode_int8
from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.rows import TokenPart
from xtr_assets.core.types import Int32s
from xtr_assets.index.xtr.assignment import assign
from xtr_assets.index.xtr.model import TokenModel, read_described
from xtr_assets.index.xtr.training import part_codes

POSTINGS_FORMAT = 1
POSTINGS_FILE = "postings.json"
POSTINGS_ARRAYS = ("lists.npy", "positions.npy", "residuals.npy")
# 8,192 tokens against 65,536 centroids: what one step of assignment and encoding holds stays below 50 MB.
BLOCK_TOKENS = 8_192
MAX_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """The postings of one segment; see the module for shapes."""

    lists: Int32s
    positions: Int32s
    residuals: npt.NDArray[np.uint8]

    @property
    def memory_bytes(self) -> int:
        return self.lists.nbytes + self.positions.nbytes + self.residuals.nbytes

    def save(self, directory: Path, model: TokenModel, part: TokenPart) -> None:
        """Write into an existing folder."""
        np.save(directory / "lists.npy", self.lists)
        np.save(directory / "positions.npy", self.positions)
        np.save(directory / "residuals.npy", self.residuals)
        write_description(directory, model, part.rows, len(self.positions))


def write_postings(model: TokenModel, part: TokenPart, directory: Path) -> None:
    """Write the postings of one segment into an existing folder, block by block.

    Raises InvalidInput where the segment's tokens have another dim than the model.
    """
    first, last = int(part.offsets[0]), int(part.offsets[-1])
    total = last - first
    if part.tokens.shape[1] != model.dim:
        raise InvalidInput(
            f"dim {part.tokens.shape[1]} in the tokens, {model.dim} in the model; train a model on these tokens"
        )
    if total > MAX_TOKENS:
        raise InvalidInput(f"{total} tokens in one segment, at most {MAX_TOKENS} fit; write them as several segments")
    assigned = np.empty(total, np.int32)
    for start in range(0, total, BLOCK_TOKENS):
        codes, scales = part_codes(part, slice(first + start, min(first + start + BLOCK_TOKENS, last)))
        assigned[start : start + len(codes)] = assign(
            codes, scales.astype(np.float32), model.mean, model.centroids, model.centroid_scales
        )
    lists = np.zeros(len(model.centroids) + 1, np.int32)
    np.cumsum(np.bincount(assigned, minlength=len(model.centroids)), out=lists[1:])
    slots = np.empty(total, np.int32)
    slots[np.argsort(assigned, kind="stable")] = np.arange(total, dtype=np.int32)

    np.save(directory / "lists.npy", lists)
    positions = np.empty(total, np.int32)
    positions[slots] = np.repeat(np.arange(part.rows, dtype=np.int32), np.diff(part.offsets))
    np.save(directory / "positions.npy", positions)
    residuals = np.lib.format.open_memmap(
        directory / "residuals.npy", mode="w+", dtype=np.uint8, shape=(total, model.packed_dim)
    )
    for start in range(0, total, BLOCK_TOKENS):
        stop = min(start + BLOCK_TOKENS, total)
        values = decode_int8(*part_codes(part, slice(first + start, first + stop)))
        residuals[slots[start:stop]] = model.encode_residuals(values, assigned[start:stop])
    residuals.flush()
    del residuals
    write_description(directory, model, part.rows, total)


def write_description(directory: Path, model: TokenModel, rows: int, tokens: int) -> None:
    """postings.json: what the arrays beside it are, and of which model and segment."""
    described = {
        "format_version": POSTINGS_FORMAT,
        "kind": "xtr-postings",
        "model": model.fingerprint,
        "centroids": len(model.centroids),
        "rows": rows,
        "tokens": tokens,
        "dim": model.dim,
    }
    (directory / POSTINGS_FILE).write_text(json.dumps(described, indent=1) + "\n")


def open_postings(model: TokenModel, part: TokenPart, directory: Path, *, mmap: bool = True) -> Postings:
    """Map the postings of a segment; headers and what they were made from must agree with the model and the segment.

    Raises CorruptFile, UnknownFormat, and InvalidInput where they belong to another model or segment.
    """
    described = read_described(directory / POSTINGS_FILE, "xtr-postings", POSTINGS_FORMAT)
    tokens = int(part.offsets[-1] - part.offsets[0])
    expected = {"model": model.fingerprint, "rows": part.rows, "tokens": tokens}
    for name, value in expected.items():
        if described.get(name) != value:
            raise InvalidInput(
                f"{directory.name}: {name} {described.get(name)} in the postings, {value} expected; "
                "build the postings of this segment again"
            )
    shapes: dict[str, tuple[int, ...]] = {
        "lists.npy": (len(model.centroids) + 1,),
        "positions.npy": (tokens,),
        "residuals.npy": (tokens, model.packed_dim),
    }
    types = {"lists.npy": np.int32, "positions.npy": np.int32, "residuals.npy": np.uint8}
    arrays = {
        name: open_array(directory / name, f"{directory.name}/{name}", types[name], shapes[name], mmap=mmap)
        for name in POSTINGS_ARRAYS
    }
    lists = arrays["lists.npy"]
    # A search reads what `lists` points at: it is checked in full, being small, before anything follows it.
    if lists[0] != 0 or lists[-1] != tokens or (np.diff(lists) < 0).any():
        raise CorruptFile(f"{directory.name}/lists.npy", f"ascending bounds from 0 to {tokens}", "others")
    return Postings(lists, arrays["positions.npy"], arrays["residuals.npy"])


def open_array(path: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...], *, mmap: bool = True) -> Any:
    """An ndarray of a raw file whose header says exactly this type and shape, read-only. Raises CorruptFile."""
    wanted = f"{np.dtype(dtype).name} {shape}"
    try:
        # An empty array cannot be mapped.
        array = np.load(path, mmap_mode="r" if mmap and 0 not in shape else None, allow_pickle=False)
    except FileNotFoundError:
        raise CorruptFile(name, wanted, "no file") from None
    except (ValueError, EOFError, OSError) as error:
        raise CorruptFile(name, wanted, str(error)) from error
    if array.dtype != np.dtype(dtype) or array.shape != shape or not array.flags.c_contiguous:
        raise CorruptFile(name, wanted, f"{array.dtype.name} {array.shape}")
    # A plain array over the same bytes: np.memmap costs microseconds at every slice.
    plain = np.asarray(array).view(np.ndarray)
    plain.flags.writeable = False
    return plain

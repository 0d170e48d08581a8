"""Postings: the documents of one segment by centroid. Raw arrays only, so that opening them is mapping them.

Folder `postings.<model>`: `lists.npy` int32 [C + 1] (list c is lists[c]:lists[c + 1]), `documents.npy` int32 [P] (the
documents that hold a token of the list, ascending, each once, counted within the segment), `numbers.npy` uint16 [T]
(the centroid of each token; uint32 where the model has more than 65,536), `postings.json`. Documents are counted within
the segment, so postings serve every generation that it is in.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.json_document import read_described
from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.row_store import TokenPart
from xtr_assets.core.types import Int32s, Ints
from xtr_assets.index.late.centroid_assignment import assign
from xtr_assets.index.late.centroids import MODEL_FORMAT, Numbers, TokenModel
from xtr_assets.index.late.training import part_codes

# Version 3 has numbers of 32 bits, and is that of a model of version 3.
POSTINGS_FORMAT, WIDE_POSTINGS_FORMAT = 2, 3
POSTINGS_FILE = "postings.json"
POSTINGS_ARRAYS = ("lists.npy", "documents.npy", "numbers.npy")
# 8,192 tokens against 65,536 centroids: what one step of assignment holds stays below 50 MB.
BLOCK_TOKENS = 8_192
MAX_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """The postings of one segment; see the module for shapes."""

    lists: Int32s
    documents: Int32s
    numbers: Numbers

    @property
    def memory_bytes(self) -> int:
        return self.lists.nbytes + self.documents.nbytes + self.numbers.nbytes

    def save(self, directory: Path, model: TokenModel, part: TokenPart) -> None:
        """Write into an existing folder."""
        save_array(directory / "lists.npy", self.lists)
        save_array(directory / "documents.npy", self.documents)
        save_array(directory / "numbers.npy", self.numbers)
        described = {
            "format_version": postings_format(model),
            "kind": "xtr-postings",
            "model": model.fingerprint,
            "centroids": len(model.centroids),
            "rows": part.rows,
            "tokens": len(self.numbers),
            "postings": len(self.documents),
            "dim": model.dim,
        }
        (directory / POSTINGS_FILE).write_text(json.dumps(described, indent=1) + "\n")


def postings_format(model: TokenModel) -> int:
    """The version of postings made with a model."""
    return POSTINGS_FORMAT if model.format_version == MODEL_FORMAT else WIDE_POSTINGS_FORMAT


def make_postings(model: TokenModel, part: TokenPart) -> Postings:
    """The postings of a segment, in memory: six bytes a token, eight beyond 65,536 centroids.

    Raises InvalidInput: another dim than the model's.
    """
    first, last = int(part.offsets[0]), int(part.offsets[-1])
    total = last - first
    if part.tokens.shape[1] != model.dim:
        raise InvalidInput(
            f"dim {part.tokens.shape[1]} in the tokens, {model.dim} in the model; train a model on these tokens"
        )
    if total > MAX_TOKENS:
        raise InvalidInput(f"{total} tokens in one segment, at most {MAX_TOKENS} fit; write them as several segments")
    numbers: Numbers = np.empty(total, np.dtype(model.number_type))
    for start in range(0, total, BLOCK_TOKENS):
        codes, scales = part_codes(part, slice(first + start, min(first + start + BLOCK_TOKENS, last)))
        numbers[start : start + len(codes)] = assign(
            codes, scales.astype(np.float32), model.mean, model.centroids, model.centroid_scales
        )
    return list_documents(numbers, np.diff(part.offsets), len(model.centroids))


def list_documents(numbers: Numbers, lengths: Ints, centroids: int) -> Postings:
    """Postings of tokens by their centroids; lengths : int64 [rows], the number of tokens of each document.

    Raises CorruptFile for a number of no centroid, which one of 32 bits would otherwise be paid for in memory.
    """
    if len(numbers) and (highest := int(numbers.max())) >= centroids:
        raise CorruptFile("numbers.npy", f"numbers below {centroids}", f"{highest}")
    # Tokens by list, then by document: what equals its neighbour is the same document again.
    order = np.argsort(numbers, kind="stable")
    owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[order]
    sorted_numbers = numbers[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (owners[1:] != owners[:-1]) | (sorted_numbers[1:] != sorted_numbers[:-1])
    lists = np.zeros(centroids + 1, np.int32)
    np.cumsum(np.bincount(sorted_numbers[new], minlength=centroids), out=lists[1:])
    return Postings(lists, owners[new], numbers)


def write_postings(model: TokenModel, part: TokenPart, directory: Path) -> None:
    """Write the postings of one segment into an existing folder. Raises as `make_postings` does."""
    make_postings(model, part).save(directory, model, part)


def open_postings(model: TokenModel, part: TokenPart, directory: Path, *, mmap: bool = True) -> Postings:
    """Map the postings of a segment; headers and what they were made from must agree with the model and the segment.

    Raises CorruptFile, UnknownFormat, and InvalidInput where they belong to another model or segment.
    """
    described = read_described(directory / POSTINGS_FILE, "xtr-postings", POSTINGS_FORMAT, WIDE_POSTINGS_FORMAT)
    tokens = int(part.offsets[-1] - part.offsets[0])
    expected = {"model": model.fingerprint, "rows": part.rows, "tokens": tokens}
    for name, value in expected.items():
        if described.get(name) != value:
            raise InvalidInput(
                f"{directory.name}: {name} {described.get(name)} in the postings, {value} expected; "
                "build the postings of this segment again"
            )
    version = postings_format(model)
    if described["format_version"] != version:
        raise CorruptFile(
            f"{directory.name}/{POSTINGS_FILE}",
            f"format_version {version} of {len(model.centroids)} centroids",
            f"{described['format_version']}",
        )
    listed = described.get("postings")
    if not isinstance(listed, int) or not 0 <= listed <= tokens:
        raise CorruptFile(f"{directory.name}/{POSTINGS_FILE}", f"0 to {tokens} postings", f"{listed}")
    expectations: dict[str, tuple[npt.DTypeLike, int]] = {
        "lists.npy": (np.int32, len(model.centroids) + 1),
        "documents.npy": (np.int32, listed),
        "numbers.npy": (model.number_type, tokens),
    }
    arrays = {
        name: open_array(directory / name, f"{directory.name}/{name}", dtype, (length,), mmap=mmap)
        for name, (dtype, length) in expectations.items()
    }
    lists = arrays["lists.npy"]
    # A search reads what `lists` points at: it is checked in full, being small, before anything follows it.
    if lists[0] != 0 or lists[-1] != listed or (np.diff(lists) < 0).any():
        raise CorruptFile(f"{directory.name}/lists.npy", f"ascending bounds from 0 to {listed}", "others")
    return Postings(lists, arrays["documents.npy"], arrays["numbers.npy"])

"""The postings of one segment, written from the terms of its documents in order."""

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.raw_arrays import save_array
from xtr_assets.core.types import Int32s, Ints
from xtr_assets.index.lexical.postings import (
    LEXICAL_FILE,
    LEXICAL_FORMAT,
    LEXICAL_KIND,
    MOST_COUNTED,
    Counts,
    term_bytes,
)

# Terms sorted at a time: 2 million take 60 MB while they are counted.
BLOCK_TERMS = 1 << 21
MOST_ROWS = MOST_LENGTH = 2**31 - 1

# (term number int32, document int32, count uint16), ascending by term and then by document.
_Block = tuple[Int32s, Int32s, Counts]


def write_postings(folder: Path, documents: Iterable[Sequence[str]]) -> None:
    """Write the postings of documents, each given as its terms, into an existing folder.

    Sixteen bytes a posting and the distinct terms are held in memory. The same documents give the same bytes.
    Raises InvalidInput: more rows, or more terms in one document, than 31 bits count.
    """
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    lengths = array("i")
    blocks: list[_Block] = []
    pending, first = array("i"), 0
    for document in documents:
        if len(document) > MOST_LENGTH or len(lengths) >= MOST_ROWS:
            raise InvalidInput(
                f"document {len(lengths)} of {len(document)} terms: at most {MOST_ROWS} documents of {MOST_LENGTH} "
                "terms fit one segment; write several segments"
            )
        pending.extend(map(numbers.__getitem__, document))
        lengths.append(len(document))
        if len(pending) >= BLOCK_TERMS:
            blocks.append(_counted(pending, lengths, first))
            pending, first = array("i"), len(lengths)
    blocks.append(_counted(pending, lengths, first))
    terms = list(numbers)
    # Terms sort as their bytes do.
    order: Ints = np.array(sorted(range(len(terms)), key=terms.__getitem__), np.int64)
    ranks = np.empty(len(terms), np.int32)
    ranks[order] = np.arange(len(terms), dtype=np.int32)
    stored = [term_bytes(terms[number]) for number in order]
    lists, rows, counts = _joined([(ranks[own], rows, counts) for own, rows, counts in blocks], len(terms))
    _save(folder, "terms", np.frombuffer(b"".join(stored), np.uint8))
    _save(folder, "term_bounds", _bounds(np.fromiter(map(len, stored), np.int64, len(stored))))
    _save(folder, "lists", lists)
    _save(folder, "documents", rows)
    _save(folder, "counts", counts)
    _save(folder, "lengths", np.frombuffer(lengths, np.int32))
    described = {
        "format_version": LEXICAL_FORMAT,
        "kind": LEXICAL_KIND,
        "rows": len(lengths),
        "terms": len(terms),
        "postings": len(rows),
        "bytes": sum(map(len, stored)),
    }
    (folder / LEXICAL_FILE).write_text(json.dumps(described, indent=1) + "\n")


def _counted(pending: "array[int]", lengths: "array[int]", first: int) -> _Block:
    """Terms of the documents from `first` on, each once with its count."""
    numbers = np.frombuffer(pending, np.int32) if pending else np.empty(0, np.int32)
    own = np.frombuffer(lengths[first:], np.int32) if len(lengths) > first else np.empty(0, np.int32)
    rows = np.repeat(np.arange(first, first + len(own), dtype=np.int64), own)
    both, counts = np.unique(numbers.astype(np.int64) << 32 | rows, return_counts=True)
    clipped: Counts = np.minimum(counts, MOST_COUNTED).astype(np.uint16)
    return (both >> 32).astype(np.int32), (both & 0xFFFFFFFF).astype(np.int32), clipped


def _joined(blocks: Sequence[_Block], terms: int) -> tuple[Ints, Int32s, Counts]:
    """Lists of all blocks: their documents ascend from block to block. Blocks are by rank, in no order of it."""
    lists = _bounds(sum((np.bincount(own, minlength=terms) for own, _, _ in blocks), np.zeros(terms, np.int64)))
    rows, counts = np.empty(int(lists[-1]), np.int32), np.empty(int(lists[-1]), np.uint16)
    ends = lists[:-1].copy()
    for own, documents, tf in blocks:
        # Equal ranks stand side by side: the n-th of a run goes n places behind where its list ends so far.
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        sizes = np.diff(starts, append=len(own))
        places = np.arange(len(own)) - np.repeat(starts, sizes) + ends[own]
        rows[places], counts[places] = documents, tf
        ends[own[starts]] += sizes
    return lists, rows, counts


def _bounds(sizes: npt.NDArray[np.int64]) -> Ints:
    bounds = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return bounds


def _save(folder: Path, name: str, values: npt.NDArray[np.generic]) -> None:
    save_array(folder / f"{name}.npy", values)

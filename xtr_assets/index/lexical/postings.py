"""Postings: the documents of one segment by term. Raw arrays only, so that opening them is mapping them.

    lexical.json      format, rows, terms, postings, bytes of all terms
    terms.npy         uint8: the terms in UTF-8, ascending, one after the other
    term_bounds.npy   int64 [V + 1]: term t is bytes term_bounds[t]:term_bounds[t + 1]
    lists.npy         int64 [V + 1]: the postings of term t are lists[t]:lists[t + 1], at least one
    documents.npy     int32 [P]: the documents that hold the term, ascending, each once, counted within the segment
    counts.npy        uint16 [P]: how often they hold it, 1 to MOST_COUNTED
    lengths.npy       int32 [rows]: the terms of each document, repeats and all

Numbers are local, so postings serve every generation the segment is in. A term that a document holds more often than
MOST_COUNTED counts as if it were so often (BM25 is within 0.002 % of its limit there); lengths count all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.json_document import read_described
from xtr_assets.core.raw_arrays import open_array
from xtr_assets.core.types import Int32s, Ints

LEXICAL_FORMAT = 1
LEXICAL_KIND = "xtr-lexical-postings"
LEXICAL_FILE = "lexical.json"
LEXICAL_ARRAYS = ("terms.npy", "term_bounds.npy", "lists.npy", "documents.npy", "counts.npy", "lengths.npy")
MOST_COUNTED = 65_535
# Postings checked at a time: 4 million are 50 MB of intermediate arrays.
_CHECK_BLOCK = 1 << 22

Counts = npt.NDArray[np.uint16]
TermBytes = npt.NDArray[np.uint8]
Verify = Literal["headers", "full"]


def term_bytes(term: str) -> bytes:
    """A term as it is stored. Halves of characters (surrogates) are stored too; bytes sort as the texts do."""
    return term.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True, eq=False)
class LexicalPostings:
    """The postings of one segment; see the module for shapes. `name` is what errors call its folder."""

    name: str
    terms: TermBytes
    term_bounds: Ints
    lists: Ints
    documents: Int32s
    counts: Counts
    lengths: Int32s

    @property
    def rows(self) -> int:
        return len(self.lengths)

    @property
    def term_count(self) -> int:
        return len(self.lists) - 1

    @property
    def memory_bytes(self) -> int:
        arrays = (self.terms, self.term_bounds, self.lists, self.documents, self.counts, self.lengths)
        return sum(array.nbytes for array in arrays)

    def term(self, number: int) -> bytes:
        return self.terms[self.term_bounds[number] : self.term_bounds[number + 1]].tobytes()

    def text(self, number: int) -> str:
        """A term as it was given."""
        try:
            return self.term(number).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CorruptFile(f"{self.name}/terms.npy", "terms in UTF-8", str(error)) from error

    def number_of(self, term: bytes) -> int:
        """The number of a term, -1 where no document holds it."""
        low, high = 0, self.term_count
        while low < high:
            middle = (low + high) // 2
            if self.term(middle) < term:
                low = middle + 1
            else:
                high = middle
        return low if low < self.term_count and self.term(low) == term else -1

    def count_of(self, term: bytes, document: int) -> int:
        """How often a document holds a term, as it is stored."""
        number = self.number_of(term)
        if number < 0:
            return 0
        start, stop = int(self.lists[number]), int(self.lists[number + 1])
        at = start + int(np.searchsorted(self.documents[start:stop], document))
        return int(self.counts[at]) if at < stop and self.documents[at] == document else 0

    def entries(self) -> Iterator[tuple[str, Int32s, Counts]]:
        """(term, documents, counts) of every term: what is stored, for whoever compares it with the texts."""
        for number in range(self.term_count):
            own = slice(int(self.lists[number]), int(self.lists[number + 1]))
            yield self.text(number), self.documents[own], self.counts[own]

    def stored_terms(self, documents: Ints) -> list[dict[str, int]]:
        """Term -> count of each document asked for, read back from the stored lists without the search.

        documents : int64 [n], within the segment. One pass over all postings, whatever n.
        """
        wanted = np.zeros(self.rows, np.bool_)
        wanted[documents] = True
        found: dict[int, dict[str, int]] = {int(document): {} for document in documents}
        for start in range(0, len(self.documents), _CHECK_BLOCK):
            block = self.documents[start : start + _CHECK_BLOCK]
            check_documents(self.name, block, self.rows)
            places = start + np.flatnonzero(wanted[block])
            numbers = np.searchsorted(self.lists, places, side="right") - 1
            for place, number in zip(places, numbers, strict=True):
                found[int(self.documents[place])][self.text(int(number))] = int(self.counts[place])
        return [found[int(document)] for document in documents]


def open_postings(folder: Path, rows: int, *, verify: Verify = "headers") -> LexicalPostings:
    """Map the postings of a segment of so many rows.

    verify : "headers" reads headers, sizes, bounds and lengths, and leaves the terms and postings where they lie: a
    search checks every row number that it follows. "full" reads all of it once and checks what the format promises.

    Raises CorruptFile naming the file, UnknownFormat.
    """
    name = folder.name
    described = read_described(folder / LEXICAL_FILE, LEXICAL_KIND, LEXICAL_FORMAT)
    sizes = {key: _size(described.get(key), key, name) for key in ("rows", "terms", "postings", "bytes")}
    if sizes["rows"] != rows:
        raise CorruptFile(f"{name}/{LEXICAL_FILE}", f"{rows} rows, as the segment has", f"{sizes['rows']}")
    expectations: dict[str, tuple[npt.DTypeLike, int]] = {
        "terms.npy": (np.uint8, sizes["bytes"]),
        "term_bounds.npy": (np.int64, sizes["terms"] + 1),
        "lists.npy": (np.int64, sizes["terms"] + 1),
        "documents.npy": (np.int32, sizes["postings"]),
        "counts.npy": (np.uint16, sizes["postings"]),
        "lengths.npy": (np.int32, rows),
    }
    arrays = [open_array(folder / file, f"{name}/{file}", *_shape(expectations[file])) for file in LEXICAL_ARRAYS]
    postings = LexicalPostings(name, *arrays)
    # A search reads where these point: they are checked in full, being small, before anything follows them.
    _check_bounds(postings.term_bounds, sizes["bytes"], 0, f"{name}/term_bounds.npy")
    _check_bounds(postings.lists, sizes["postings"], 1, f"{name}/lists.npy")
    if rows and int(postings.lengths.min()) < 0:
        raise CorruptFile(f"{name}/lengths.npy", "lengths of 0 and more", f"{int(postings.lengths.min())}")
    if verify == "full":
        _check_terms(postings)
        _check_lists(postings)
    return postings


def check_documents(name: str, documents: Int32s, rows: int) -> None:
    """Row numbers within the segment; CorruptFile otherwise."""
    if len(documents) and not (int(documents.min()) >= 0 and int(documents.max()) < rows):
        raise CorruptFile(
            f"{name}/documents.npy", f"rows from 0 to {rows - 1}", f"{int(documents.min())} to {int(documents.max())}"
        )


def _shape(expected: tuple[npt.DTypeLike, int]) -> tuple[npt.DTypeLike, tuple[int]]:
    return expected[0], (expected[1],)


def _size(value: Any, key: str, name: str) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise CorruptFile(f"{name}/{LEXICAL_FILE}", f"{key} as a whole number", f"{value!r}")
    return value


def _check_bounds(bounds: Ints, total: int, least: int, name: str) -> None:
    if bounds[0] != 0 or bounds[-1] != total or (len(bounds) > 1 and int(np.diff(bounds).min()) < least):
        raise CorruptFile(name, f"ascending bounds from 0 to {total}", "others")


def _check_terms(postings: LexicalPostings) -> None:
    everything, bounds = postings.terms.tobytes(), postings.term_bounds.tolist()
    terms = [everything[start:stop] for start, stop in pairwise(bounds)]
    if any(one >= other for one, other in pairwise(terms)):
        raise CorruptFile(f"{postings.name}/terms.npy", "terms ascending, each once", "others")


def _check_lists(postings: LexicalPostings) -> None:
    sums = np.zeros(postings.rows, np.int64)
    clipped = np.zeros(postings.rows, np.bool_)
    first = np.zeros(len(postings.documents), np.bool_)
    first[postings.lists[:-1]] = True
    for start in range(0, len(postings.documents), _CHECK_BLOCK):
        block = slice(start, start + _CHECK_BLOCK)
        documents, counts = postings.documents[block], postings.counts[block]
        check_documents(postings.name, documents, postings.rows)
        # The last one of the block before is compared with the first of this one.
        follows = slice(max(start, 1), block.stop)
        before = postings.documents[follows.start - 1 : block.stop - 1]
        repeated = postings.documents[follows] <= before[: len(postings.documents[follows])]
        if (repeated & ~first[follows]).any():
            raise CorruptFile(f"{postings.name}/documents.npy", "rows ascending within each list", "others")
        if not counts.all():
            raise CorruptFile(f"{postings.name}/counts.npy", f"counts from 1 to {MOST_COUNTED}", "0")
        sums += np.bincount(documents, counts, postings.rows).astype(np.int64)
        clipped[documents[counts == MOST_COUNTED]] = True
    wrong = np.flatnonzero(np.where(clipped, postings.lengths < sums, postings.lengths != sums))
    if len(wrong):
        row = int(wrong[0])
        raise CorruptFile(
            f"{postings.name}/lengths.npy", f"{int(sums[row])} terms in row {row}", f"{int(postings.lengths[row])}"
        )

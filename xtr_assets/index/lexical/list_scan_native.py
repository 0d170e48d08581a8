"""Lists of postings read by the C++ extension (native/lexical/): the results of list_scan.py, bit for bit."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import native
from xtr_assets.index.lexical.list_scan import LexicalPart, ListScan, NumpyScan, corrupt_list


class NativeScan:
    """See ListScan. norms : float32 [end_row]; live : bool [end_row], contiguous."""

    name = "native"

    def __init__(self, parts: Sequence[LexicalPart], norms: Floats, live: Mask) -> None:
        self._parts = tuple(parts)
        self._lists = native.kernels.Lists(
            [
                (p.base_row, own.rows, own.terms, own.term_bounds, own.lists, own.documents, own.counts)
                for p in self._parts
                for own in (p.postings,)
            ],
            norms,
            live.view(np.uint8),
        )

    def look_up(self, terms: Sequence[bytes]) -> tuple[Ints, Ints]:
        try:
            found: tuple[Ints, Ints] = self._lists.look_up(terms)
        except IndexError as error:
            raise self._corrupt(error) from None
        return found

    def search(self, lists: Ints, weights: Floats, k: int, allowed: Mask | None) -> tuple[Floats, Ints]:
        mask = None if allowed is None else allowed.view(np.uint8)
        try:
            found: tuple[Floats, Ints] = self._lists.search(lists, weights, k, mask)
        except IndexError as error:
            raise self._corrupt(error) from None
        return found

    def score(self, lists: Ints, weights: Floats, rows: Ints) -> Floats:
        scores: Floats = self._lists.score(lists, weights, rows)
        return scores

    def _corrupt(self, error: IndexError) -> CorruptFile:
        # The extension says which part it was.
        return corrupt_list(self._parts[int(str(error))])


def list_scan(parts: Sequence[LexicalPart], norms: Floats, live: Mask) -> ListScan:
    """What reads lists here: the extension, or NumPy where there is none."""
    return NativeScan(parts, norms, live) if native.available() else NumpyScan(parts, norms, live)

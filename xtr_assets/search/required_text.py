"""Rows that hold what a query demands, `"exact phrase"` and `+must`: candidates by postings, verified in the text."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.lexical_terms import needed_terms
from xtr_assets.core.phrases import holds_phrase
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.types import Ints, Mask
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex

# Where a phrase may stand; each by itself, none across two.
COLUMNS = ("title", "text", "path", "symbol")
# All masks of one generation together. What no word narrows reads every text: about a second for 50,000 chunks.
CACHED_BYTES = 32 * 2**20
# Rows read at a time: 4 MB of text.
BLOCK_ROWS = 4_096


class RequiredText:
    """What queries demand of the rows of one generation: masks, the last ones kept.

    lexical : narrows the rows whose text is read; without one every text is.
    """

    def __init__(self, generation: Generation, lexical: "LexicalIndex | None") -> None:
        self._generation, self._lexical = generation, lexical
        # By what is demanded: a text of all of it would be that of other demands too, as one may hold any character.
        self._masks: OrderedDict[tuple[str, ...], Mask] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def mask(self, query: Query) -> Mask | None:
        """Live rows that hold all that the query demands: bool [end_row], read-only; None where it demands nothing."""
        demanded = tuple(sorted({*query.required, *query.phrases}))
        if not demanded:
            return None
        with self._lock:
            if (kept := self._masks.get(demanded)) is not None:
                self._masks.move_to_end(demanded)
                return kept
        # No lock is held over the reading: two threads may both do it, and find the same.
        mask = self._read(demanded)
        mask.flags.writeable = False
        with self._lock:
            if demanded not in self._masks:
                self._masks[demanded] = mask
                self._bytes += len(mask) + sum(map(len, demanded))
            while len(self._masks) > 1 and self._bytes > CACHED_BYTES:
                oldest, dropped = self._masks.popitem(last=False)
                self._bytes -= sum(map(len, oldest)) + len(dropped)
        return mask

    def _read(self, demanded: Sequence[str]) -> Mask:
        candidates = self._candidates(demanded)
        mask = np.zeros(self._generation.end_row, np.bool_)
        for placed in self._generation.segments:
            first, last = np.searchsorted(candidates, (placed.base_row, placed.end_row))
            inside = candidates[first:last] - placed.base_row
            table = placed.segment.chunks().select(list(COLUMNS)) if len(inside) else None
            for start in range(0, len(inside), BLOCK_ROWS):
                assert table is not None
                positions = inside[start : start + BLOCK_ROWS]
                rows = rows_at(table, positions)
                texts = zip(*(rows.column(name).to_pylist() for name in COLUMNS), strict=True)
                held = [all(any(holds_phrase(text, one) for text in own) for one in demanded) for own in texts]
                mask[placed.base_row + positions[held]] = True
        return mask

    def _candidates(self, demanded: Sequence[str]) -> Ints:
        """Live rows that can hold all of it, int64 ascending."""
        terms = [term for one in demanded for term in needed_terms(one)]
        if self._lexical is None or not terms:
            return np.flatnonzero(self._generation.live)
        return self._lexical.matching(terms)

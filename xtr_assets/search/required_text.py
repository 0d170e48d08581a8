"""Rows that hold what a query demands: `"exact phrase"` and `+must`. Candidates by postings, verified in the text.

A phrase stands in a row where title, text, path or symbol has it whole: no letter or digit goes on at either end of it.
Case does not count, nor which of several ways of writing a character (NFKC) or a gap between words was taken.
"""

import re
import unicodedata
from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.types import Mask
from xtr_assets.storage.generation import Generation

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex

# Where a phrase may stand.
COLUMNS = ("title", "text", "path", "symbol")
# All masks of one generation together, as RowFilters keeps those of filters. One that no word narrows reads every text:
# 0.2 s for 50,000 chunks.
CACHED_BYTES = 32 * 2**20
# Rows read at a time: 4 MB of text.
BLOCK_ROWS = 4_096

_SPACE = re.compile(r"\s+")


class RequiredText:
    """What queries demand of the rows of one generation: masks, the last ones kept.

    lexical : narrows the rows whose text is read; without one every text is.
    """

    def __init__(self, generation: Generation, lexical: "LexicalIndex | None") -> None:
        self._generation, self._lexical = generation, lexical
        self._masks: OrderedDict[str, Mask] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def mask(self, query: Query) -> Mask | None:
        """Live rows that hold all that the query demands: bool [end_row]; None where it demands nothing."""
        found: Mask | None = None
        for phrase in dict.fromkeys(folded(one) for one in (*query.required, *query.phrases)):
            if phrase:
                held = self._held(phrase)
                found = held if found is None else found & held
        return found

    def _held(self, phrase: str) -> Mask:
        with self._lock:
            if (kept := self._masks.get(phrase)) is not None:
                self._masks.move_to_end(phrase)
                return kept
        mask = self._read(phrase)
        mask.flags.writeable = False
        with self._lock:
            if phrase not in self._masks:
                self._masks[phrase] = mask
                self._bytes += len(mask) + len(phrase)
            while len(self._masks) > 1 and self._bytes > CACHED_BYTES:
                oldest, dropped = self._masks.popitem(last=False)
                self._bytes -= len(oldest) + len(dropped)
        return mask

    def _read(self, phrase: str) -> Mask:
        candidates = self._candidates(phrase)
        mask = np.zeros(len(candidates), np.bool_)
        pattern = whole(phrase)
        for placed in self._generation.segments:
            inside = np.flatnonzero(candidates[placed.base_row : placed.end_row])
            if not len(inside):
                continue
            table = placed.segment.chunks().select(list(COLUMNS))
            for start in range(0, len(inside), BLOCK_ROWS):
                positions = inside[start : start + BLOCK_ROWS]
                columns = [table.column(name).take(positions).to_pylist() for name in COLUMNS]
                for position, texts in zip(positions.tolist(), zip(*columns, strict=True), strict=True):
                    mask[placed.base_row + position] = any(pattern.search(folded(text)) for text in texts)
        return mask

    def _candidates(self, phrase: str) -> Mask:
        """Live rows that can hold it: bool [end_row]."""
        live = self._generation.live
        terms = inner_terms(phrase)
        if self._lexical is None or not terms:
            return live
        return self._lexical.matching(terms) & live


def inner_terms(phrase: str) -> list[str]:
    """Terms that every text has which holds the folded phrase."""
    return query_terms(phrase)


@lru_cache(maxsize=1_024)
def whole(phrase: str) -> re.Pattern[str]:
    """Finds a folded phrase in folded text where it is not a part of a longer word.

    >>> [bool(whole("e42").search(text)) for text in ("code e42: lost", "e421", "(e42)")]
    [True, False, True]
    """
    before = r"(?<![^\W_])" if _goes_on(phrase[:1]) else ""
    after = r"(?![^\W_])" if _goes_on(phrase[-1:]) else ""
    return re.compile(before + re.escape(phrase) + after)


def _goes_on(character: str) -> bool:
    """Whether a letter beside this one would make it a part of a longer word; Han and kana are written without gaps,
    and so are Thai, Lao, Burmese and Khmer."""
    if not character.isalnum():
        return False
    return not (
        unicodedata.east_asian_width(character) in "WF"
        or 0x0E00 <= ord(character) <= 0x0EFF
        or 0x1000 <= ord(character) <= 0x109F
        or 0x1780 <= ord(character) <= 0x17FF
    )


def folded(text: str) -> str:
    """Text as it is compared: without case, composed, with single spaces."""
    if text.isascii():
        return _SPACE.sub(" ", text.lower()).strip()
    # Folding may take characters apart again, and what was composed may fold further.
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACE.sub(" ", plain).strip()

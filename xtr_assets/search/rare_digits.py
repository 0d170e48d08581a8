"""How much of the rare words with a digit that a query has stands in a row: versions, numbers of issues, codes.

An encoder cannot tell 2.28.0 from 2.27.1, and whoever types one means that one (docs/measurements.md, "Words with a
digit").
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.lexical_terms import numbered_terms
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.lexical.bm25 import rarity

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex

# A word is rare that one row in so many holds at most, or so few rows.
ONE_IN, FEW = 200, 5
# Of more, as a pasted log has, the rarest count.
MOST = 16


def shares_of_digits(index: "LexicalIndex", terms: Sequence[str], rows: Ints) -> Floats | None:
    """Of the rare ones of the terms that `numbered_terms` says the share that each of rows int64 [n] holds, by rarity:
    float32 [n], NaN where none; None where no row does. Which are rare the whole collection decides, where the index is
    a part of one."""
    numbered = numbered_terms(terms)
    if not numbered:
        return None
    whole, counts = index.frequencies(numbered)
    few = {term: count for term, count in counts.items() if count <= FEW or count * ONE_IN <= whole}
    if not few or not len(rows):
        return None
    by_rarity = {term: rarity(whole, count) for term, count in few.items()}
    # The order of their bytes decides between equal ones: that of the mapping.
    chosen = sorted(by_rarity, key=by_rarity.__getitem__, reverse=True)[:MOST]
    held = np.zeros(len(rows), np.float64)
    for term in chosen:
        held[_among(index.matching([term]), rows)] += by_rarity[term]
    if not held.any():
        return None
    shares: Floats = np.where(held > 0, held / sum(by_rarity[term] for term in chosen), np.nan).astype(np.float32)
    return shares


def _among(held: Ints, rows: Ints) -> Ints:
    """Positions of the rows that are among ascending ones."""
    if not len(held):
        return np.empty(0, np.int64)
    at = np.minimum(np.searchsorted(held, rows), len(held) - 1)
    return np.flatnonzero(held[at] == rows)

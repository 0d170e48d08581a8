"""How many words of a query stand in the texts of rows in a row (core/verbatim.py)."""

from collections.abc import Mapping, Sequence

import numpy as np

from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.core.verbatim import longest_run, triples_of
from xtr_assets.search.blend import NAME
from xtr_assets.storage.row_hydration import Hydrator

# The texts of so many rows are read, those with the best scores in words: what has words in a row has them all.
READ = 12


def read_of(scores: Mapping[str, Floats], ids: Ints) -> Ints:
    """Positions of the rows whose texts are read, int64 [m <= READ]: of those with a name that share a word, the best
    by words. scores : float32 [n] by leg, and of names, NaN where a row has none; ids : int64 [n], for ties."""
    if NAME not in scores or "lexical" not in scores:
        return np.empty(0, np.int64)
    offered = np.flatnonzero((scores["lexical"] > 0) & ~np.isnan(scores[NAME]))
    return offered[best_positions(scores["lexical"][offered], ids[offered], READ)]


def runs_in(texts: Hydrator, words: Sequence[str], rows: Ints) -> Floats:
    """How many words, but for two, each of rows int64 [n] has in a row: float32 [n], NaN where by chance at most."""
    triples = triples_of(words)
    runs = np.array([longest_run(triples, one["text"]) for one in texts.rows(rows.tolist())], np.float32)
    return np.where(runs > 0, runs - np.float32(2), np.float32(np.nan))

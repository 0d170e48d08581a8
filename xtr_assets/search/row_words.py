"""How many words of a query stand in the texts of rows in a row (core/verbatim.py)."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.core.verbatim import longest_run, triples_of
from xtr_assets.storage.row_hydration import Hydrator

# The texts of so many rows are read, those with the best scores in words: what has words in a row has them all.
READ = 12


def read_of(lexical: Floats, ids: Ints) -> Ints:
    """Positions of the rows whose texts are read, int64 [m <= READ]. lexical : float32 [n], their scores in words;
    ids : int64 [n], which decide ties."""
    best = best_positions(lexical, ids, READ)
    return best[lexical[best] > 0]


def runs_in(texts: Hydrator, words: Sequence[str], rows: Ints) -> Floats:
    """How many words, but for two, each of rows int64 [n] has in a row: float32 [n], NaN where by chance at most."""
    triples = triples_of(words)
    runs = np.array([longest_run(triples, one["text"]) for one in texts.rows(rows.tolist())], np.float32)
    return np.where(runs > 0, runs - np.float32(2), np.float32(np.nan))

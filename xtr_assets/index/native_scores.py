"""Inner products with stored rows where they lie, in the C++ extension: what `numba_scores.py` does without it.

Every sum runs over the dims in one stated order (native/dense/kernels.hpp), on every machine: equal vectors get
equal scores.
"""

from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import native
from xtr_assets.index.memory_places import places_of


def stored_scores(vectors: RowVectors, queries: Floats, rows: Ints, instructions: str) -> Floats:
    """float32 [q, m] for rows int64 [q, m]; -inf where a row is -1 or not stored. See `exact_scan.true_scores`."""
    scores: Floats = native.kernels.stored_scores(places_of(vectors, queries, rows), queries, rows, instructions)
    return scores


def best_stored(vectors: RowVectors, queries: Floats, rows: Ints, k: int, instructions: str) -> tuple[Floats, Ints]:
    """The k best of each line by score and then row, in the same call: float32 and int64 [q, k]."""
    best: tuple[Floats, Ints] = native.kernels.best_stored(
        places_of(vectors, queries, rows), queries, rows, k, instructions
    )
    return best

"""XTR imputation in plain numpy: what a document scores when only some of its tokens were retrieved.

Lee et al., "Rethinking the Role of Token Retrieval in Multi-Vector Retrieval" (NeurIPS 2023), section 3.2: each query
token retrieves its k' best document tokens; a document of which none was retrieved gets the similarity of the last one,
which nothing of that document can exceed.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from xtr_assets.core.top_k import kth_best
from xtr_assets.core.types import Floats, Ints

Number = TypeVar("Number", np.float32, np.int64)


def floor_of(similarities: Floats, k_prime: int) -> float:
    """The k'-th best of one query token's similarities, the least of them where there are fewer.

    similarities : float32 [n], n >= 1, any order.

    >>> floor_of(np.array([0.1, 0.9, 0.5], "f4"), 2)
    0.5
    """
    keep = min(k_prime, len(similarities))
    return float(kth_best(similarities, keep))


def impute(best: Floats, floor: Floats) -> Floats:
    """Fill in query tokens for which a document was not retrieved.

    Parameters
    ----------
    best : float32 [documents, query_tokens]
        Best retrieved similarity; NaN where no token of the document was retrieved.
    floor : float32 [query_tokens]
        Similarity of the last retrieved token for each query token: an upper bound on what is missing.

    Returns
    -------
    float32 [documents]
        Sum over query tokens. Not comparable with MaxSim until rescored.

    >>> impute(np.array([[0.9, np.nan]], "f4"), np.array([0.4, 0.3], "f4"))
    array([1.2], dtype=float32)
    """
    filled: Floats = np.where(np.isnan(best), floor, best).sum(axis=1, dtype=np.float32)
    return filled


def best_per_document(similarities: npt.NDArray[Number], documents: Ints) -> tuple[Ints, npt.NDArray[Number]]:
    """Best similarity of each document among the tokens retrieved for one query token.

    similarities : float32 or int64 fixed point [n]; documents : int64 [n]. Returns (documents ascending int64 [m], best
    [m], of the type given).

    >>> best_per_document(np.array([0.2, 0.7, 0.4], "f4"), np.array([5, 2, 5]))
    (array([2, 5]), array([0.7, 0.4], dtype=float32))
    """
    order = np.lexsort((-similarities, documents))
    found, first = np.unique(documents[order], return_index=True)
    return found, similarities[order][first]

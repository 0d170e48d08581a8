"""MaxSim in plain numpy: what every faster path must equal.

MaxSim of a query and a document is the sum over query tokens of the best inner product with any document token
(Khattab and Zaharia, "ColBERT", SIGIR 2020, section 3.3). Scores here are divided by the number of query tokens, so
that a query of unit tokens scores in [-1, 1] whatever its length.
"""

import numpy as np

from xtr_assets.core.types import Floats, Halves, Ints


def maxsim(query: Floats, tokens: Floats | Halves, offsets: Ints) -> Floats:
    """Score every document.

    Parameters
    ----------
    query : float32 [t, d]
    tokens : float32|float16 [T, d], the tokens of all documents, one document after the other
    offsets : int64 [n + 1], document i has `tokens[offsets[i]:offsets[i + 1]]`, at least one

    Returns
    -------
    float32 [n]
        0 for every document where the query has no token.

    >>> maxsim(np.eye(2, dtype="f4"), np.array([[1, 0], [0, 0.5], [0, 1]], "f4"), np.array([0, 2, 3]))
    array([0.75, 0.5 ], dtype=float32)
    """
    if not len(query) or len(offsets) == 1:
        return np.zeros(len(offsets) - 1, np.float32)
    similarities = np.asarray(query, np.float32) @ np.asarray(tokens, np.float32).T
    best = np.maximum.reduceat(similarities, offsets[:-1], axis=1)
    scores: Floats = best.mean(axis=0, dtype=np.float64).astype(np.float32)
    return scores


def best_tokens(query: Floats, document: Floats) -> tuple[Ints, Floats]:
    """Which document token each query token meets: (position int64 [t], similarity float32 [t]); ties to the first.

    query : float32 [t, d]; document : float32 [n, d] with n >= 1.
    """
    similarities = query @ document.T
    positions = similarities.argmax(axis=1)
    return positions, similarities[np.arange(len(query)), positions]

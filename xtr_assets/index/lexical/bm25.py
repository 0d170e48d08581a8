"""BM25: what a term, its count in a document and the document's length are worth.

    score(row) = sum over the query's distinct terms, ascending, of  w[t] * (tf / (tf + norm[row]))
    w[t]       = (k1 + 1) * ln(1 + (N - df + 0.5) / (df + 0.5)) * occurrences in the query
    norm[row]  = k1 * (1 - b + b * length / mean length)

N, df and the mean length are those of the live rows of all segments. The weights and norms are computed in double
precision and rounded to float32; the sum is in float32 in the order of the terms. One multiplication, one division and
two additions a term, each rounded, nothing contracted: equal rows get equal bits, whoever computes.

The logarithm is Lucene's, which is never negative: a term of every document counts next to nothing.
Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
"""

import math

import numpy as np

from xtr_assets.core.types import Floats, Int32s, Mask

# The usual ones. nDCG@10 on SciFact train and CoNaLa train, by which they were chosen, and on CosQA dev, which saw no
# choice: .710 .554 .393. With k1 0.9 .708 .555 .387; with 1.5 .710 .553 .392; with b 0.6 .709 .548 .379; with b 0.9
# .706 .557; with 0.9 and 0.4 .709 .536. Nothing near gains more than .0002 on both together.
K1, B = 1.2, 0.75


def rarity(live: int, frequency: int) -> float:
    """ln(1 + (N - df + 1/2) / (df + 1/2)). live : N; frequency : df, 1 to N.

    >>> round(rarity(10, 1), 4)
    1.9924
    """
    return math.log(1 + (live - frequency + 0.5) / (frequency + 0.5))


def term_weight(live: int, frequency: int, occurrences: int, k1: float = K1) -> float:
    """w[t] before it is rounded. live : N; frequency : df, 1 to N.

    >>> round(term_weight(10, 1, 1), 4)
    4.3833
    """
    return (k1 + 1) * rarity(live, frequency) * occurrences


def mean_length(lengths: Int32s, live: Mask) -> float:
    """The mean of the live documents, exact before it is rounded once; 0 where none is live.

    lengths : int32 [rows], live : bool [rows].
    """
    count = int(np.count_nonzero(live))
    return int(lengths[live].sum(dtype=np.int64)) / count if count else 0.0


def length_norms(lengths: Int32s, mean: float, k1: float = K1, b: float = B) -> Floats:
    """norm[row], float32 [rows]. Where all documents are empty none is long.

    >>> length_norms(np.array([5, 10], np.int32), 10.0).tolist()
    [0.75, 1.2000000476837158]
    """
    if mean <= 0:
        return np.full(len(lengths), k1, np.float32)
    return (k1 * (1 - b + b * (lengths.astype(np.float64) / mean))).astype(np.float32)

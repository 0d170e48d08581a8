"""The ranking of the product over exact scores of every leg, for judging a head where it serves: in the sum.

Written out here rather than taken from the search: that is what runs everywhere else.
"""

import numpy as np

from xtr_assets.core.fusion import Doubles
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.blend import Blend

# Behind the name of a head: in the sum with the other legs.
SUMMED = ", in the sum"


def leg_sum(dense: Floats, late: Floats, lexical: Floats, tokens: Ints) -> Doubles:
    """Scores of each answer for each question, float64 [n, m]; -inf where no leg has the answer among its best.

    dense, late, lexical : float32 [n, m], cosine, MaxSim and BM25 (at most 0: has none of the words). tokens : int64
    [m], of each answer. Weights, length and candidates are those that a generation is published with.
    """
    blend = Blend.standard()
    shortened: Doubles = late.astype(np.float64) - blend.length * np.log(tokens)
    legs: dict[str, Floats | Doubles] = {"dense": dense, "xtr": shortened, "lexical": lexical}
    summed: Doubles = np.full(dense.shape, -np.inf)
    for nth in range(len(dense)):
        lists = [_best(scores[nth], blend.candidates) for scores in (dense, late, lexical)]
        lists[2] = lists[2][lexical[nth, lists[2]] > 0]
        pool = np.unique(np.concatenate(lists))
        summed[nth, pool] = 0.0
        for name, scores in legs.items():
            summed[nth, pool] += blend.weights[name] * _standard(scores[nth, pool])
    return summed


def _best(scores: Floats, count: int) -> Ints:
    return np.argsort(-scores, kind="stable")[:count]


def _standard(scores: Floats | Doubles) -> Doubles:
    values = scores.astype(np.float64)
    spread = values.std()
    standard: Doubles = (values - values.mean()) / spread if spread > 1e-6 else np.zeros_like(values)
    return standard

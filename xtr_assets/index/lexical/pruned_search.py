"""The best rows without reading the longest lists: a word that most rows hold adds too little to bring a row in.

MaxScore (Turtle and Flood 1995) in two steps: rows are ranked by their rare terms alone; where what the common ones can
add does not lift another row above the k-th of these, the few that are left are scored by all terms.
"""

import numpy as np

from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.lexical.list_scan import ListScan

# Postings that are left out are worth it from here on: reading one takes 2 ns, ranking and scoring again some 50 us.
WORTH_IT = 50_000
# Rows ranked by rare terms, beyond k: ties and near ones.
BEYOND = 64
# Float32 sums of a few hundred terms in another order differ by less, relative to the larger one.
ROUNDING = 1e-4


def common_terms(frequencies: Ints, weights: Floats) -> Mask | None:
    """bool [terms]: the terms whose lists are left out at first; None where too few postings would be.

    frequencies : int64 [terms], live rows that hold each. weights : float32 [terms], more than a term adds to any row.

    Those of the longest lists, as long as all of them together add less than half of what the rarest term may.
    """
    longest = np.argsort(-frequencies, kind="stable")
    light = np.cumsum(weights[longest], dtype=np.float64) < weights.max(initial=0.0) / 2
    common = np.zeros(len(weights), np.bool_)
    common[longest[np.logical_and.accumulate(light)]] = True
    return common if int(frequencies[common].sum()) >= WORTH_IT else None


def pruned_search(
    scan: ListScan, lists: Ints, weights: Floats, common: Mask, k: int, allowed: Mask | None
) -> tuple[Floats, Ints] | None:
    """What `scan.search` of all terms gives, bit for bit, by the lists of the others alone; None where these do not
    tell."""
    rare = ~common
    partial, rows = scan.search(np.ascontiguousarray(lists[:, rare]), weights[rare], k + BEYOND, allowed)
    if not 0 < k <= len(rows):
        # Rows that hold common terms alone are among the best.
        return None
    # No row can have more than its partial score and this; of a row that holds no rare term it is all.
    most = float(weights[common].sum(dtype=np.float64))
    least = float(partial[k - 1]) * (1 - ROUNDING) - most * (1 + ROUNDING)
    whole = len(rows) < k + BEYOND
    if least <= 0 or not (whole or partial[-1] < least):
        return None
    candidates = rows[partial >= least]
    scores = scan.score(lists, weights, np.ascontiguousarray(candidates))
    best = best_positions(scores, candidates, k)
    return scores[best], candidates[best]

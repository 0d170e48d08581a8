"""What an answer says of its own scores: which there are, and whether they are what adds up to its order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xtr_assets.core.types import Floats, Mask
from xtr_assets.pipeline.gate.answer_truth import Doubles
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode

# Shares of a question, in float32 and in float64.
SAME_SHARE = 1e-5


@dataclass(frozen=True)
class Besides:
    """What hits gain beside the scores of legs. borne : bool [hits]; called : float64 [hits], how much of the question
    each is called; stands : float64 [hits], how much it stands at the places that the question names; digits : float64
    [hits], how much of the rare words with a digit that the question has it holds."""

    borne: Mask
    called: Doubles
    stands: Doubles
    digits: Doubles


def shown_faults(
    mode: Mode,
    hits: Sequence[Hit],
    legs: Sequence[str],
    names: Floats | None,
    besides: Besides,
    length: Doubles,
    adds: float,
) -> str:
    """What an answer says of its own scores. names : float32 [hits], 0 where a hit has none; length : float64 [hits],
    what is off a score that ranks alone; adds : what a unit of the embeddings' cosine adds to it."""
    borne, called, stands = besides.borne, besides.called, besides.stands
    for at, hit in enumerate(hits):
        compared = {*legs, *(("name",) if names is not None and names[at] != 0 else ())}
        compared |= {"symbol"} if borne[at] else set()
        # Where nothing is left of a share it may be there, as what rounding leaves.
        left = mode in ("hybrid", "exact") and "called" in hit.scores
        compared |= {"called"} if left or abs(called[at]) > SAME_SHARE else set()
        compared |= {"place"} if stands[at] else set()
        compared |= {"digits"} if besides.digits[at] else set()
        # Who gains these is said of the whole answer (kind_truth.py, run_truth.py).
        compared |= {"beside", "verbatim"} & set(hit.scores) if mode in ("hybrid", "exact") else set()
        if set(hit.scores) != compared:
            return f"scores in {sorted(hit.scores)}, the mode compares in {sorted(compared)}"
        if borne[at] and hit.scores["symbol"] != 1.0:
            return f"a hit bears the name that was asked for and scores {hit.scores['symbol']:.4f} for it, not 1"
        said = hit.scores.get("called", 0.0)
        if not abs(said - called[at]) <= SAME_SHARE:
            return f"a hit is called {called[at]:.4f} of the question and scores {said:.4f} for it"
        # A share of many places is large, and float32.
        if stands[at] and not abs(hit.scores["place"] - stands[at]) <= SAME_SHARE * max(1.0, float(stands[at])):
            return f"a hit stands {stands[at]:.4f} at the places of the question and scores {hit.scores['place']:.4f}"
        holds = float(besides.digits[at])
        if not abs(hit.scores.get("digits", 0.0) - holds) <= SAME_SHARE:
            return f"a hit holds {holds:.4f} of the words with a digit and scores {hit.scores['digits']:.4f} for it"
        if mode in hit.scores:
            ranked = hit.scores[mode] - float(length[at]) + (adds * hit.scores["dense"] if adds else 0.0)
            if not abs(hit.score - ranked) <= 1e-6:
                return f"score {hit.score:.4f} is not that of {mode}, {ranked:.4f}"
    order = [hit.score for hit in hits]
    if not all(before >= after for before, after in pairwise(order)):
        return "a better hit stands behind a worse one"
    return ""

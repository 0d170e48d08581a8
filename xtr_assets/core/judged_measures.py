"""Quality against judgments, a value a query: nDCG, MRR, recall, success. Not recall against exact search."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput

Doubles = npt.NDArray[np.float64]
Judgments = Sequence[Mapping[Any, float]]
Ranked = Sequence[Sequence[Hashable]]


def ndcg_at_k(ranked: Ranked, judgments: Judgments, k: int) -> Doubles:
    """Normalized discounted cumulative gain per query: float64 [q], linear gain, log2 discount (as trec_eval).

    ranked : document ids per query, best first. judgments : {document id: relevance} per query, at least one positive.

    >>> ndcg_at_k([["b", "a"]], [{"a": 1}], 10).round(4).tolist()
    [0.6309]
    """

    def discounted(gains: Sequence[float]) -> float:
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))

    values = []
    for ids, relevant in _judged(ranked, judgments):
        ideal = sorted(relevant.values(), reverse=True)[:k]
        values.append(discounted([relevant.get(one, 0.0) for one in ids[:k]]) / discounted(ideal))
    return np.array(values, np.float64)


def mrr_at_k(ranked: Ranked, judgments: Judgments, k: int) -> Doubles:
    """Reciprocal rank of the first relevant document within k, 0 where there is none: float64 [q]."""
    values = []
    for ids, relevant in _judged(ranked, judgments):
        ranks = [rank for rank, one in enumerate(ids[:k], 1) if one in relevant]
        values.append(1.0 / ranks[0] if ranks else 0.0)
    return np.array(values, np.float64)


def judged_recall(ranked: Ranked, judgments: Judgments, k: int) -> Doubles:
    """Share of the relevant documents within the first k: float64 [q]. Not recall against exact search."""
    return np.array(
        [len(relevant.keys() & set(ids[:k])) / len(relevant) for ids, relevant in _judged(ranked, judgments)],
        np.float64,
    )


def success_at_k(ranked: Ranked, judgments: Judgments, k: int) -> Doubles:
    """1 where a relevant document is within the first k, else 0: float64 [q].

    >>> success_at_k([["b", "a"], ["c"]], [{"a": 1}, {"a": 1}], 2).tolist()
    [1.0, 0.0]
    """
    return (mrr_at_k(ranked, judgments, k) > 0).astype(np.float64)


def _judged(ranked: Ranked, judgments: Judgments) -> list[tuple[Sequence[Hashable], dict[Any, float]]]:
    if len(ranked) != len(judgments):
        raise InvalidInput(f"{len(ranked)} ranked lists, {len(judgments)} judged queries; they must be aligned")
    pairs = []
    for number, (ids, judged) in enumerate(zip(ranked, judgments, strict=True)):
        relevant = {one: float(grade) for one, grade in judged.items() if grade > 0}
        if not relevant:
            raise InvalidInput(f"query {number} has no positive judgment; leave such queries out before scoring")
        pairs.append((ids, relevant))
    return pairs

"""What exact re-ranking did to a search: what the codes said of each result, beside what the stored vectors say."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.dense.options import SearchPlan


@dataclass(frozen=True, slots=True, eq=False)
class DenseResult:
    """A search as it ran: its seconds by phase are measured, what re-ranking kept is counted when it is asked for.

    scores float32 [q, k], rows int64 [q, k]; found : int64 [q, n], the index's candidates, best first, and approximate
    : float32 [q, n], what their codes say of them; None where the index was not asked.
    """

    scores: Floats
    rows: Ints
    plan: SearchPlan
    found: Ints | None
    plan_seconds: float
    search_seconds: float
    rerank_seconds: float
    approximate: Floats | None = None

    @property
    def kept(self) -> float:
        """Share of the index's own k best that are among the results, over all queries; NaN where it was not asked."""
        if self.found is None:
            return float("nan")
        best = self.found[:, : self.plan.k]
        # Line by line, by sorting: comparing each with each took 400 MB for 20,000 results.
        same = sum(int(np.isin(own[own >= 0], line).sum()) for own, line in zip(best, self.rows, strict=True))
        return same / count if (count := np.count_nonzero(best >= 0)) else float("nan")


@dataclass(frozen=True)
class Refined:
    """A search and its making.

    plan : how it was run, with the reason.
    scores : float32 [q, k], true inner products, descending; -inf pads. rows : int64 [q, k]; -1 pads.
    approximate : float32 [q, k], the score of the codes; NaN where a scan brought the row without asking the index.
    ranks : int64 [q, k], the place (from 0) among the index's candidates before re-ranking; -1 likewise.
    kept : float64 [q], share of the index's own k best that are among the results: 1 where re-ranking could not help,
        NaN where the index was not asked.
    """

    plan: SearchPlan
    scores: Floats
    rows: Ints
    approximate: Floats
    ranks: Ints
    kept: npt.NDArray[np.float64]

    def lines(self, query: int) -> list[dict[str, Any]]:
        """The results of one query as JSON values, best first: row, score, rank, and both before re-ranking."""
        found = np.flatnonzero(self.rows[query] >= 0)
        return [
            {
                "row": int(self.rows[query, place]),
                "rank": place,
                "score": float(self.scores[query, place]),
                "rank_before": int(self.ranks[query, place]) if self.ranks[query, place] >= 0 else None,
                "approximate_score": float(self.approximate[query, place]) if self.ranks[query, place] >= 0 else None,
            }
            for place in found.tolist()
        ]

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "plan": self.plan.as_json(),
            "kept": [None if np.isnan(one) else float(one) for one in self.kept],
            "results": [self.lines(query) for query in range(len(self.rows))],
        }


def refined(result: DenseResult) -> Refined:
    """Put the results of a search beside the candidates they came from."""
    plan, scores, rows, approximate, found = result.plan, result.scores, result.rows, result.approximate, result.found
    before, ranks = np.full(rows.shape, np.nan, np.float32), np.full(rows.shape, -1, np.int64)
    kept = np.full(len(rows), np.nan)
    if approximate is None or found is None:
        return Refined(plan, scores, rows, before, ranks, kept)
    for query, (line, candidates) in enumerate(zip(rows, found, strict=True)):
        same = (line[:, None] == candidates[None, :]) & (line >= 0)[:, None]
        known = np.flatnonzero(same.any(axis=1))
        ranks[query, known] = same[known].argmax(axis=1)
        before[query, known] = approximate[query, ranks[query, known]]
        best = candidates[: plan.k]
        kept[query] = np.isin(best[best >= 0], line).mean() if (best >= 0).any() else np.nan
    return Refined(plan, scores, rows, before, ranks, kept)

"""What comes beside the first hit, by hand: who may gain, how much, and when nobody does."""

from dataclasses import replace

import numpy as np
import pytest

from xtr_assets.core.fusion import beside
from xtr_assets.pipeline.gate.kind_truth import gains_of, kind_faults
from xtr_assets.search import Hit

NAMED = np.array([True, True, True, False, False])
MOST, ROOM = 1.5, 0.1


def hit(score: float, gained: float | None = None) -> Hit:
    scores = {"dense": 0.5} if gained is None else {"dense": 0.5, "beside": gained}
    columns = dict.fromkeys(("source", "path", "symbol", "kind", "title", "text", "metadata"), "")
    numbers = dict.fromkeys(("chunk_id", "part", "start_line", "end_line"), 1)
    return replace(Hit.of({**columns, **numbers, "metadata": "{}"}, score, scores, None))


def answered(sums: list[float], k: int) -> tuple[list[Hit], list[int]]:
    """What a search over rows of these sums answers, and which rows."""
    total = np.array(sums)
    found = beside(total, NAMED, np.arange(len(sums)), MOST)
    lifted = total.copy()
    if found is not None:
        lifted[found[0]] = found[1]
    order = np.lexsort((np.arange(len(sums)), -lifted))[:k].tolist()
    share = 0.0 if found is None else (found[1] - total[found[0]]) / MOST
    return [hit(float(lifted[i]), share if found and i == found[0] else None) for i in order], order


def faults(hits: list[Hit], at: list[int], sums: list[float], *, whole: bool = True) -> str:
    total = np.array(sums)
    return kind_faults(hits, np.array(at), total, NAMED, MOST, ROOM, whole=whole, folded=False)


@pytest.mark.parametrize(
    "sums",
    [
        [5.0, 4.0, 3.0, 3.9, 1.0],
        [5.0, 4.0, 3.0, 1.0, 0.0],
        [1.0, 0.5, 0.2, 3.0, 2.5],
        [5.0, 4.0, 3.0, 4.5, 1.0],
        # Rows of both kinds are as good as the first: who stands where goes by id, and nobody gains.
        [5.0, 5.0, 5.0, 5.0, 1.0],
        [2.0, 2.0, 2.0, 2.0, 2.0],
    ],
)
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_what_a_search_answers_is_right(sums: list[float], k: int) -> None:
    hits, at = answered(sums, k)
    assert faults(hits, at, sums) == ""
    assert gains_of(hits, MOST).tolist() == [MOST * one.scores.get("beside", 0.0) for one in hits]


@pytest.mark.parametrize(
    ("hits", "at", "said"),
    [
        ([hit(5.0), hit(4.0), hit(3.0)], [0, 1, 2], "stands behind others"),
        ([hit(5.0), hit(4.9, 0.6), hit(4.0)], [0, 1, 2], "of the kind of the first"),
        ([hit(5.0), hit(4.9, 0.6), hit(4.0)], [0, 3, 1], "behind the first"),
        ([hit(5.0), hit(5.0, 0.5), hit(4.0)], [0, 4, 1], "another has 3.90"),
        ([hit(5.0), hit(5.0, 1.2), hit(4.0)], [0, 3, 1], "gained 1.2000"),
        ([hit(5.0), hit(5.0, 0.7), hit(4.0, 0.5)], [0, 3, 4], "one may"),
        ([hit(5.0, 0.7), hit(4.0)], [0, 1], "of the kind of the first"),
    ],
)
def test_what_no_search_may_answer_is_said(hits: list[Hit], at: list[int], said: str) -> None:
    assert said in faults(hits, at, [5.0, 4.0, 3.0, 3.9, 1.0])

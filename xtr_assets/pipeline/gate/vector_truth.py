"""Answers to vectors of one's own (`search_vectors`, `search_tokens`): each id beside its own score, best first."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from xtr_assets.core.types import Floats, Ints, Legs
from xtr_assets.pipeline.gate.answer_truth import Places, StoredVectors
from xtr_assets.pipeline.gate.answer_verdict import ROUNDING
from xtr_assets.pipeline.gate.drawn_questions import Question
from xtr_assets.search.searcher import Searcher

# As many are asked in one call, which is a batch.
ASKED, K = 3, 10


def vector_faults(
    searcher: Searcher, questions: Sequence[Question], places: Places, stored: StoredVectors, legs: Legs
) -> Iterator[str]:
    """The vectors of questions, asked as a person's own: what comes is live, scores what the stored vectors give."""
    asked = [one for one in questions if "tokens" not in legs or len(one.tokens)][:ASKED]
    if not asked:
        return
    if "dense" in legs:
        found = searcher.search_vectors(np.stack([one.embedding for one in asked]).astype(np.float32), K)
        true = [lambda rows, one=one: stored.dense(rows, one.embedding) for one in asked]
        yield from _faults("search_vectors", "dense", *found, true, places)
    if "tokens" in legs:
        found = searcher.search_tokens([one.tokens for one in asked], K)
        late = [lambda rows, one=one: stored.late(rows, one.tokens) for one in asked]
        yield from _faults("search_tokens", "xtr", *found, late, places)


def _faults(
    call: str, leg: str, scores: Floats, ids: Ints, true: Sequence[Callable[[Ints], Floats]], places: Places
) -> Iterator[str]:
    most = min(K, int(places.live.sum()))
    for number, (own, named, exact) in enumerate(zip(scores, ids, true, strict=True), 1):
        came = named >= 0
        count = int(came.sum())
        if not 0 < count <= most or len(set(named[came].tolist())) != count:
            yield f"{call} gives {count} hits to vector {number}, up to {most} different ones should have come"
            continue
        rows = places.live_rows_of(named[came])
        if (rows < 0).any():
            yield f"{call} gives {int((rows < 0).sum())} hits to vector {number} that are no live chunk"
            continue
        order = np.argsort(rows)
        known = np.empty(len(rows), np.float64)
        known[order] = exact(rows[order])
        off = float(np.abs(own[came] - known).max())
        if not off <= ROUNDING[leg]:
            yield f"{call} gives a hit of vector {number} a score that is {off:.3f} off, {ROUNDING[leg]:g} may be"
        elif (np.diff(own[came]) > 0).any():
            yield f"{call} gives vector {number} a better hit behind a worse one"

"""`shadow_diff`: the answers of the draft beside those of the generation that serves."""

import numpy as np

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import GateQueries
from xtr_assets.search.searcher import Searcher

DEPTH = 10
# A change of a few percent of the documents moves a few percent of the answers; a fifth is worth a look before, or
# after, it serves.
LEAST_OVERLAP = 0.8
# Queries asked of both generations: the mean overlap of 50 is known to about 0.03, and each is searched four times.
QUERIES = 50


def check(session: DraftSession) -> Finding:
    """Mean share of the serving top 10 that the draft returns too, over fixed queries. Warns."""
    gate, serving = session.queries(), session.serving
    chosen = np.flatnonzero(gate.of("fixed"))[:QUERIES].tolist()
    if serving is None:
        return _nothing("nothing serves yet")
    if serving.fingerprint != session.draft.fingerprint or not chosen:
        return _nothing("another encoder serves, or there is no query")
    # One fingerprint is one encoder, with the same legs.
    asked = GateQueries(
        tuple(gate.queries[i] for i in chosen), gate.embeddings[chosen], tuple(gate.tokens[i] for i in chosen)
    )
    try:
        searcher = session.serving_searcher()
    except UnknownFormat as error:
        return _nothing(f"what serves cannot be asked: {error}")
    assert searcher is not None
    before, after = _answers(searcher, asked), _answers(session.searcher(), asked)
    overlaps = {space: float(_overlap(before[space], after[space]).mean()) for space in before}
    least = min(overlaps.values())
    return Finding(
        passed=least >= LEAST_OVERLAP,
        value=least,
        threshold=LEAST_OVERLAP,
        summary=f"of the top {DEPTH} of generation {serving.number}, {least:.3f} are returned too; {LEAST_OVERLAP:g} "
        "is asked",
        details={"generation": serving.number, "queries": len(asked), "depth": DEPTH, "overlap": overlaps},
    )


def _nothing(reason: str) -> Finding:
    return Finding(True, None, LEAST_OVERLAP, reason)


def _answers(searcher: Searcher, gate: GateQueries) -> dict[str, np.ndarray]:
    answers = {}
    if "dense" in searcher.modes:
        answers["dense"] = searcher.search_vectors(gate.embeddings, DEPTH)[1]
    if "xtr" in searcher.modes:
        answers["xtr"] = searcher.search_tokens(gate.tokens, DEPTH)[1]
    return answers


def _overlap(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """float64 [q]: share of the chunk_ids before that are there after; 1.0 where there was none. -1 pads."""
    shares = np.ones(len(before), np.float64)
    for query, (old, new) in enumerate(zip(before, after, strict=True)):
        wanted = old[old >= 0]
        if len(wanted):
            shares[query] = np.isin(wanted, new).mean()
    return shares

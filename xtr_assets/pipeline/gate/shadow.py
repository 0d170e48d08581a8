"""What would change for users: the answers of the draft beside those of the generation that serves."""

import numpy as np

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.pipeline.queries.gate_queries import QUERY_FILES, GateQueries, read_queries
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

DEPTH = 10
# A change of a few percent of the documents moves a few percent of the answers; a fifth is worth a look before, or
# after, it serves.
LEAST_OVERLAP = 0.8
# Queries asked of both generations: the mean overlap of 50 is known to about .03, and each is searched four times.
QUERIES = 50


def check_shadow(warehouse: Warehouse, draft: Draft, published: Generation | None, device: str = "cpu") -> CheckRecord:
    """Record `shadow_diff`: mean share of the serving top 10 that the draft returns too, over fixed queries."""
    gate = read_queries(draft)
    chosen = np.flatnonzero(gate.of("fixed"))[:QUERIES].tolist()
    subject = (DENSE_FILE, "xtr", *QUERY_FILES)
    comparable = published is not None and published.fingerprint == draft.fingerprint and bool(chosen)
    if published is None or not comparable:
        why = "nothing serves yet" if published is None else "another encoder serves, or there is no query"
        return _record(draft, None, subject, {"reason": why})
    asked = GateQueries(
        tuple(gate.queries[i] for i in chosen), gate.embeddings[chosen], tuple(gate.tokens[i] for i in chosen)
    )
    try:
        before = _answers(warehouse, published.number, asked, device)
    except UnknownFormat as error:
        return _record(draft, None, subject, {"reason": f"what serves cannot be asked: {error}"})
    after = _answers(warehouse, draft.number, asked, device)
    overlaps = {space: float(_overlap(before[space], after[space]).mean()) for space in before}
    details = {"generation": published.number, "queries": len(asked), "depth": DEPTH, "overlap": overlaps}
    return _record(draft, min(overlaps.values()), subject, details)


def _record(draft: Draft, value: float | None, subject: tuple[str, ...], details: dict[str, object]) -> CheckRecord:
    passed = value is None or value >= LEAST_OVERLAP
    metrics.count_check("shadow_diff", passed)
    return draft.record_check(
        "shadow_diff", passed=passed, value=value, threshold=LEAST_OVERLAP, subject=subject, details=details
    )


def _answers(warehouse: Warehouse, number: int, gate: GateQueries, device: str) -> dict[str, np.ndarray]:
    with Searcher(warehouse, device, generation=number) as searcher:
        return {
            "dense": searcher.search_vectors(gate.embeddings, DEPTH)[1],
            "xtr": searcher.search_tokens(gate.tokens, DEPTH)[1],
        }


def _overlap(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """float64 [q]: share of the chunk_ids before that are there after; 1.0 where there was none. -1 pads."""
    shares = np.ones(len(before), np.float64)
    for query, (old, new) in enumerate(zip(before, after, strict=True)):
        wanted = old[old >= 0]
        if len(wanted):
            shares[query] = np.isin(wanted, new).mean()
    return shares

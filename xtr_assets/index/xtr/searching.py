"""One search over one state: retrieve, rescore, rank. Also the exact reference, scores of given rows, explanations."""

import time
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.maxsim import best_rows, best_tokens
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.xtr.plan import Route, SearchProfile, plan_search
from xtr_assets.index.xtr.query import Query, as_tokens, best_lists, centroid_scores, make_query
from xtr_assets.index.xtr.reference import ReferenceBackend
from xtr_assets.index.xtr.segments import IndexState

# A bound on k' that no query token reaches: every posting that was read counts.
ALL_POSTINGS = 1 << 31
# Candidates are scored with the query in 8 bits, and this many more than asked for again in 16: 8 bits move a score of
# unit tokens by less than .002, and so few documents lie closer together than that.
FINAL_SLACK = 8


@dataclass(frozen=True, slots=True, eq=False)
class TokenResult:
    """scores float32 [k], rows int64 [k] (padded by -inf and -1), and what the search did.

    scanned : every allowed row was scored; retrieved : postings read; candidates : rows that had a counted posting;
    rescored : rows that got MaxSim; seconds : by phase, "retrieve" and "rescore".
    """

    scores: Floats
    rows: Ints
    scanned: bool
    retrieved: int
    candidates: int
    rescored: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token met in a document.

    position : the document token, counted from 0; similarity : their inner product in the store; retrieved : whether
    the candidate search read one of the document's tokens for it, else it gave the document the imputed score.
    """

    query_token: int
    position: int
    similarity: float
    retrieved: bool


def search(
    state: IndexState, profile: SearchProfile, query_tokens: Floats, k: int, allowed: Mask | None
) -> TokenResult:
    """See TokenIndex.search."""
    tokens = as_tokens(query_tokens, state.model.dim)
    mask, count = state.allowed(allowed)
    wanted = min(k, count)
    if not len(tokens) or wanted <= 0:
        scores, rows = best_rows(np.empty(0, np.float32), np.empty(0, np.int64), k)
        return TokenResult(scores, rows, True, 0, 0, 0, {"retrieve": 0.0, "rescore": 0.0})
    started = time.perf_counter()
    query = make_query(state.model, tokens)
    limit = max(profile.rescore, 2 * k)
    route = _route(state, count, profile.nprobe, limit)
    retrieved = touched = 0
    candidates = np.empty(0, np.int64)
    if not route.scan:
        k_prime = ALL_POSTINGS if profile.k_prime is None else profile.k_prime
        found = state.backend.retrieve(query, route.nprobe, k_prime, limit, mask)
        candidates, retrieved, touched = found.rows, found.retrieved, found.touched
    # Where lists met fewer rows than were asked for, every allowed row is scored: k rows come back where there are k.
    scanned = route.scan or len(candidates) < wanted
    if scanned:
        candidates = state.rows_of(mask)
    middle = time.perf_counter()
    coarse = state.backend.rescore(query, candidates)
    kept = _best(coarse, candidates, wanted + FINAL_SLACK)
    scores, rows = best_rows(_exact(state, query, kept), kept, k)
    seconds = {"retrieve": middle - started, "rescore": time.perf_counter() - middle}
    return TokenResult(scores, rows, scanned, retrieved, touched, len(candidates), seconds)


def search_exact(state: IndexState, query_tokens: Floats, k: int, allowed: Mask | None) -> tuple[Floats, Ints]:
    """See TokenIndex.exact."""
    tokens = as_tokens(query_tokens, state.model.dim)
    mask, _ = state.allowed(allowed)
    rows = state.rows_of(mask) if len(tokens) else np.empty(0, np.int64)
    return best_rows(_exact(state, make_query(state.model, tokens), rows), rows, k)


def score_rows(state: IndexState, query_tokens: Floats, rows: Ints) -> Floats:
    """See TokenIndex.score."""
    tokens = as_tokens(query_tokens, state.model.dim)
    asked = np.asarray(rows, np.int64)
    unique, inverse = np.unique(asked, return_inverse=True)
    if len(unique) and (unique[0] < 0 or unique[-1] >= len(state.stored) or not state.stored[unique].all()):
        inside = (unique >= 0) & (unique < len(state.stored))
        bad = unique[~inside] if not inside.all() else unique[~state.stored[unique]]
        raise InvalidInput(f"row {int(bad[0])} is in no segment; rows end at {len(state.stored)}")
    return _exact(state, make_query(state.model, tokens), unique)[inverse]


def explain_row(state: IndexState, profile: SearchProfile, query_tokens: Floats, row: int) -> list[TokenMatch]:
    """See TokenIndex.explain."""
    tokens = as_tokens(query_tokens, state.model.dim)
    positions, similarities = best_tokens(tokens, state.tokens.document(row))
    read = _retrieved(state, profile, make_query(state.model, tokens), row) if len(tokens) else []
    return [
        TokenMatch(index, int(position), float(similarity), bool(met))
        for index, (position, similarity, met) in enumerate(zip(positions, similarities, read, strict=True))
    ]


def _retrieved(state: IndexState, profile: SearchProfile, query: Query, row: int) -> list[bool]:
    """For each query token, whether a search of all live rows counts a posting of the row."""
    mask, count = state.allowed(None)
    route = _route(state, count, profile.nprobe, profile.rescore)
    if route.scan:
        return [True] * len(query)
    reference = ReferenceBackend(state.model, state.placed, state.tokens)
    probes = best_lists(query, centroid_scores(state.model, query), route.nprobe)
    k_prime = ALL_POSTINGS if profile.k_prime is None else profile.k_prime
    met = []
    for token in range(len(query)):
        rows, scores, floor = reference.counted(query, probes, token, k_prime, mask)
        met.append(bool((scores[rows == row] >= floor).any()))
    return met


def _route(state: IndexState, allowed_rows: int, nprobe: int, limit: int) -> Route:
    return plan_search(
        tokens=state.token_count,
        rows=len(state.tokens),
        allowed_rows=allowed_rows,
        centroids=len(state.model.centroids),
        nprobe=nprobe,
        limit=limit,
    )


def _exact(state: IndexState, query: Query, rows: Ints) -> Floats:
    """MaxSim over the number of query tokens, float32 [n]; rows ascending."""
    if not len(query):
        return np.zeros(len(rows), np.float32)
    return state.backend.exact(query, rows) / np.float32(len(query))


def _best(scores: Floats, rows: Ints, count: int) -> Ints:
    """The rows of the `count` best scores, ascending; equal scores by ascending row."""
    if len(rows) <= count:
        return rows
    return np.sort(best_rows(scores, rows, count)[1])

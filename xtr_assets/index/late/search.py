"""One search over one state: retrieve, rescore, rank. Also the exact reference, scores of given rows, explanations.

Many of them: search_many.py.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.arguments import query_tokens as checked_tokens
from xtr_assets.core.arguments import row_numbers, whole
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.maxsim import best_tokens
from xtr_assets.core.top_k import best_rows
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.backends.reference import PHASES, ReferenceBackend
from xtr_assets.index.late.options import Depths, Route, SearchProfile, met_rows, plan_search
from xtr_assets.index.late.query import Query, best_lists, centroid_levels, centroid_scores, make_query
from xtr_assets.index.late.state import IndexState

# A bound on k' that no query token reaches: everything that was read counts.
ALL_POSTINGS = 1 << 31
# Rows that get exact scores, beside twice those asked for: after token pruning a row's score is within 0.002 of exact,
# and over 8,000 chunks 24 rows lost 0.0005 of overlap@10 against 32.
FINAL_SLACK = 4
# Of a search for many results so many rows are rescored at least, each.
LIMIT_PER_RESULT = 4


@dataclass(frozen=True, slots=True)
class SearchCost:
    """What a search did, for metrics.

    candidates : rows that were looked at; rescored : rows of which tokens were multiplied; imputed_share : of query
    tokens times candidates, those pairs that no list met; seconds : by phase, "retrieve", "impute" and "rescore".
    """

    candidates: int
    rescored: int
    imputed_share: float
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class TokenResult:
    """scores float32 [k], rows int64 [k] (padded by -inf and -1), and what the search did.

    scanned : every allowed row was scored; retrieved : documents read from lists; the rest as in SearchCost.
    """

    scores: Floats
    rows: Ints
    scanned: bool
    retrieved: int
    candidates: int
    rescored: int
    seconds: dict[str, float]
    imputed_share: float = 0.0

    @property
    def cost(self) -> SearchCost:
        return SearchCost(self.candidates, self.rescored, self.imputed_share, self.seconds)


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token met in a document.

    position : the document token, counted from 0; similarity : their inner product in the store; retrieved : whether
    a list that the query token read holds the document, else centroids of the document's tokens stood for it.
    """

    query_token: int
    position: int
    similarity: float
    retrieved: bool


def search(state: IndexState, profile: SearchProfile, tokens: Floats, k: int, allowed: Mask | None) -> TokenResult:
    """See TokenIndex.search; tokens : float32 [t, d], checked (core/arguments.py)."""
    mask, count = state.allowed(allowed)
    wanted = min(k, count)
    if not len(tokens) or wanted <= 0:
        return nothing(k)
    started = time.perf_counter()
    query = make_query(state.model, tokens)
    limit = max(profile.rescore, LIMIT_PER_RESULT * k)
    route = _route(state, profile, count, limit)
    found = None
    if not route.scan:
        found = state.backend.retrieve(query, _depths(profile, route, limit, wanted, count), mask)
    middle = time.perf_counter()
    # Where lists met fewer rows than were asked for, every allowed row is scored: k rows come back where there are k.
    if found is None or len(found.rows) < wanted:
        every = state.rows_of(mask)
        # A scan by plan is exact whatever the rows: by 8 bits alone thousands of near copies are told apart wrongly.
        kept = every if profile.scan else _best(state.backend.rescore(query, every), every, 2 * wanted + FINAL_SLACK)
        scores, rows = best_rows(_exact(state, query, kept), kept, k)
        seconds = {"retrieve": middle - started, "impute": 0.0, "rescore": time.perf_counter() - middle}
        return TokenResult(scores, rows, True, 0, len(every), len(every), seconds)
    scores, rows = best_rows(_exact(state, query, found.rows), found.rows, k)
    seconds = dict(zip(PHASES, found.seconds, strict=True))
    seconds["retrieve"] = middle - started - seconds["impute"] - seconds["rescore"]
    seconds["rescore"] += time.perf_counter() - middle
    imputed = 1.0 - found.meetings / (len(query) * found.touched)
    rescored = len(found.rows) if profile.whole else found.rescored
    return TokenResult(scores, rows, False, found.retrieved, found.touched, rescored, seconds, imputed)


def nothing(k: int) -> TokenResult:
    """The answer to a query of no tokens, or over no rows."""
    scores, rows = best_rows(np.empty(0, np.float32), np.empty(0, np.int64), k)
    return TokenResult(scores, rows, True, 0, 0, 0, dict.fromkeys(PHASES, 0.0))


def search_exact(state: IndexState, query_tokens: Floats, k: int, allowed: Mask | None) -> tuple[Floats, Ints]:
    """See TokenIndex.exact."""
    tokens = checked_tokens(query_tokens, state.model.dim)
    mask, _ = state.allowed(allowed)
    rows = state.rows_of(mask) if len(tokens) else np.empty(0, np.int64)
    return best_rows(_exact(state, make_query(state.model, tokens), rows), rows, k)


def score_rows(state: IndexState, query_tokens: Floats, rows: Ints) -> Floats:
    """See TokenIndex.score."""
    tokens = checked_tokens(query_tokens, state.model.dim)
    asked = row_numbers(rows, len(state.stored))
    unique, inverse = np.unique(asked, return_inverse=True)
    if not state.stored[unique].all():
        raise InvalidInput(f"row {int(unique[~state.stored[unique]][0])} is in no segment: its own is gone")
    return _exact(state, make_query(state.model, tokens), unique)[inverse]


def explain_rows(
    state: IndexState, profile: SearchProfile, query_tokens: Floats, rows: Sequence[int], k: int, allowed: Mask | None
) -> list[list[TokenMatch]]:
    """See TokenIndex.explain_rows; k and allowed are those of the search."""
    tokens = checked_tokens(query_tokens, state.model.dim)
    rows = [whole(row, "row", 0, len(state.live) - 1) for row in rows]
    query, asked = make_query(state.model, tokens), np.array(rows, np.int64)
    read = _retrieved(state, profile, query, asked, k, allowed) if rows else []
    return [_matches(tokens, state, row, met) for row, met in zip(rows, read, strict=True)]


def _matches(tokens: Floats, state: IndexState, row: int, read: Sequence[bool]) -> list[TokenMatch]:
    positions, similarities = best_tokens(tokens, state.tokens.document(row))
    return [
        TokenMatch(index, int(position), float(similarity), bool(met))
        for index, (position, similarity, met) in enumerate(zip(positions, similarities, read, strict=True))
    ]


def _retrieved(
    state: IndexState, profile: SearchProfile, query: Query, asked: Ints, k: int, allowed: Mask | None
) -> list[list[bool]]:
    """For each row and each query token, whether `search` for k of the allowed rows counts a posting of the row."""
    mask, count = state.allowed(allowed)
    route = _route(state, profile, count, max(profile.rescore, LIMIT_PER_RESULT * k))
    if route.scan or not route.nprobe or not len(query):
        return [[route.scan] * len(query)] * len(asked)
    reference = ReferenceBackend(state.model, state.placed, state.tokens)
    scores = centroid_scores(state.model, query)
    probes = best_lists(scores, centroid_levels(scores), route.nprobe)
    met, touched = [], np.zeros(len(state.live), np.bool_)
    for token in range(len(query)):
        rows, levels, floor = reference.counted(probes, token, profile.k_prime or ALL_POSTINGS, mask)
        touched[rows[levels >= floor]] = True
        met.append(np.isin(asked, rows[levels >= floor]))
    if np.count_nonzero(touched) < min(k, count):
        # The search scored every allowed row then.
        return [[True] * len(query)] * len(asked)
    return [column.tolist() for column in np.stack(met, axis=1)]


def _depths(profile: SearchProfile, route: Route, limit: int, wanted: int, allowed_rows: int) -> Depths:
    return Depths(
        nprobe=route.nprobe,
        k_prime=profile.k_prime or ALL_POSTINGS,
        met=met_rows(limit, allowed_rows),
        limit=limit,
        keep=0 if profile.whole else 2 * wanted + FINAL_SLACK,
    )


def _route(state: IndexState, profile: SearchProfile, allowed_rows: int, limit: int) -> Route:
    if profile.scan:
        return Route(True, 0, f"the profile scans: {allowed_rows} allowed rows")
    return plan_search(
        tokens=state.token_count,
        rows=len(state.tokens),
        allowed_rows=allowed_rows,
        centroids=len(state.model.centroids),
        nprobe=profile.nprobe,
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

"""One search: planned by estimated cost, answered by FAISS under a selector, widened, re-ranked exactly."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import native
from xtr_assets.index.dense.gpu_clone import GpuClone
from xtr_assets.index.dense.options import DenseProfile, SearchPlan, candidate_count, checked
from xtr_assets.index.dense.sq_scan import CodeScan
from xtr_assets.index.exact_scan import exact_rows
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.index.row_scorer import RowScorer

faiss = load_faiss()

# Nanoseconds of one thread per unit, measured with benchmarks/dense.py at 384 dims. A scan multiplies rows of the store
# where they lie, or widened for many queries; codes are read at the price of their decoding; a selector costs a bit
# test a row.
SCAN_NS_A_DIM = 0.2
SCAN_NS_A_DIM_WIDENED, SCAN_NS_A_DIM_BATCH = 0.75, 0.05
CODE_NS_A_DIM = {"PQ": 0.02, "SQ4": 0.2, "SQ8": 0.12, "SQfp16": 0.12, "Flat": 0.15}
# What integer products read codes for (sq_scan.py), and look at centroids for; a candidate of theirs costs a place in
# the pool, and a query its weights.
INTEGER_NS_A_DIM = {"SQ4": 0.018, "SQ8": 0.025}
INTEGER_CENTROID_NS_A_DIM = 0.02
SELECTOR_NS = 2.0
# Distances computed a node in the queue of a graph search.
GRAPH_LINKS_READ = 24
# Fewer queries stay on one thread: FAISS would share even one between all, and on a busy machine threads that wait for
# each other spin. One query to 20,000 x 128, two threads on two shared cores: Flat 10.6 ms of CPU in place of 0.21,
# HNSW32_SQ8 1.3 in place of 0.23.
THREADED_QUERIES = 16
# The reason of a plan that every search without a filter shares.
UNFILTERED = "no filter"
_NONE, _FIRST = np.empty(0, np.int64), np.zeros(1, np.int64)
# Lists are widened in steps of this factor where too few rows were met.
WIDEN_FACTOR = 4


def scan_cost(rows: int, dim: int, queries: int) -> float:
    """Nanoseconds a query for scanning so many stored rows."""
    return rows * dim * min(SCAN_NS_A_DIM, SCAN_NS_A_DIM_WIDENED / max(1, queries) + SCAN_NS_A_DIM_BATCH)


def index_cost(
    recipe: Recipe, rows: int, dim: int, *, nprobe: int, ef_search: int, candidates: int, filtered: bool
) -> float:
    """Nanoseconds a query for asking the index and re-ranking its candidates."""
    integers = native.available() and recipe.integer_bits > 0
    coded = recipe.coded_dim(dim)
    a_row = coded * (INTEGER_NS_A_DIM if integers else CODE_NS_A_DIM)[recipe.code]
    a_row += SELECTOR_NS if filtered and not integers else 0.0
    rerank = 0.0 if recipe.exact_codes else candidates * dim * SCAN_NS_A_DIM
    if recipe.family == "hnsw":
        return ef_search * GRAPH_LINKS_READ * (a_row + 40.0) + rerank
    if recipe.family == "flat":
        return rows * a_row + rerank
    lists = recipe.nlist if not recipe.quantizer_graph else 32 * nprobe
    choosing = lists * coded * (INTEGER_CENTROID_NS_A_DIM if integers else CODE_NS_A_DIM["Flat"])
    return choosing + recipe.axes * dim * SCAN_NS_A_DIM + rows * nprobe / recipe.nlist * a_row + rerank


def plan_search(
    recipe: Recipe,
    profile: DenseProfile,
    options: SearchOptions,
    *,
    rows: int,
    available: int,
    dim: int,
    queries: int,
    filtered: bool,
    device: str,
) -> SearchPlan:
    """Decide one search over `rows` live rows, of which `available` may be returned. Raises InvalidInput (ranges)."""
    options = checked(options, recipe)
    depth = min(candidate_count(recipe, profile, options), max(1, available))
    # As many allowed rows are read under a filter as the profile reads rows without one.
    thinning = rows / max(1, available)
    nprobe = ef = 0
    if recipe.family == "ivf":
        nprobe = min(recipe.nlist, math.ceil((options.nprobe or profile.nprobe) * thinning))
    elif recipe.family == "hnsw":
        ef = math.ceil(max(options.ef_search or profile.ef_search, depth) * thinning)
    mode: Literal["index", "scan", "nothing"] = "index"
    reason = UNFILTERED
    if not available:
        mode, reason = "nothing", "no row may be returned"
    elif filtered or ef > available:
        index_ns = index_cost(recipe, rows, dim, nprobe=nprobe, ef_search=ef, candidates=depth, filtered=filtered)
        scan_ns = scan_cost(available, dim, queries)
        reason = f"{available} rows: index {index_ns / 1e3:.0f} us, scan {scan_ns / 1e3:.0f} us a query by estimate"
        mode = "scan" if scan_ns <= index_ns or ef > available else "index"
    return SearchPlan(
        mode=mode,
        family=recipe.family,
        k=options.k,
        nprobe=nprobe,
        ef_search=ef,
        quantizer_ef_search=options.quantizer_ef_search or profile.quantizer_ef_search or max(64, 2 * nprobe),
        candidates=depth,
        rescored=not recipe.exact_codes,
        available=available,
        filtered=filtered,
        device=device,
        reason=reason,
    )


def faiss_parameters(recipe: Recipe, plan: SearchPlan, selector: Any) -> Any:
    """The FAISS search parameters of a plan; they keep their selector alive."""
    quantizer_ef = plan.quantizer_ef_search if recipe.quantizer_graph else 0
    make = _parameters.__wrapped__ if selector is not None else _parameters
    return make(recipe.family, plan.nprobe, plan.ef_search, quantizer_ef, selector)


@lru_cache(maxsize=256)
def _parameters(family: str, nprobe: int, ef_search: int, quantizer_ef: int, selector: Any) -> Any:
    # FAISS only reads them: one object serves all threads, and making one takes as long as a small search.
    if family == "ivf":
        quantizer = faiss.SearchParametersHNSW(efSearch=quantizer_ef) if quantizer_ef else None
        return faiss.SearchParametersIVF(nprobe=nprobe, sel=selector, quantizer_params=quantizer)
    if family == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=ef_search, sel=selector)
    return None if selector is None else faiss.SearchParameters(sel=selector)


def bitmap(allowed: Mask) -> Any:
    """A FAISS selector of the rows that are True; the packed bits live as long as it."""
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


@dataclass(frozen=True, slots=True)
class Served:
    """What answers: the FAISS index; its clone on a GPU and what reads its codes in place of FAISS, where there are.

    live : bool [end_row], rows that may be returned; None where what the index holds is exactly these rows, once each.
    """

    index: Any
    recipe: Recipe
    clone: GpuClone | None = None
    scan: CodeScan | None = None
    live: Mask | None = None


def candidates(served: Served, plan: SearchPlan, queries: Floats, allowed: Mask | None) -> tuple[Floats, Ints]:
    """What the index answers: approximate scores float32 [q, n] and rows int64 [q, n], best first, -1 pads.

    allowed : live rows only, None for all of them. No search asks FAISS past this place, so that a row which FAISS
    failed to remove, or that came back, is never an answer.
    """
    index, clone = served.index, served.clone
    allowed = served.live if allowed is None else allowed
    if clone is not None and clone.refusal(plan, allowed is not None) is None:
        return clone.search(queries, plan, allowed)
    if served.scan is not None:
        threads = faiss.omp_get_max_threads() if len(queries) >= THREADED_QUERIES else 1
        return served.scan.search(queries, plan.nprobe, plan.candidates, allowed, threads)
    scores = np.empty((len(queries), plan.candidates), np.float32)
    found = np.empty(scores.shape, np.int64)
    # What FAISS's Python `search` does, without its checks: they take as long as reading a list.
    index.search_c(
        len(queries),
        faiss.swig_ptr(queries),
        plan.candidates,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(found),
        faiss_parameters(served.recipe, plan, None if allowed is None else bitmap(allowed)),
    )
    return scores, found


def find(served: Served, plan: SearchPlan, queries: Floats, allowed: Mask | None) -> tuple[Floats, Ints]:
    """`candidates`, with more lists read for the queries that met too few rows."""
    scores, found = candidates(served, plan, queries, allowed)
    wanted = min(plan.candidates if plan.filtered else plan.k, plan.available)
    while 0 < plan.nprobe < served.recipe.nlist:
        short = _lacking(found, wanted)
        if not len(short):
            break
        plan = replace(plan, nprobe=min(served.recipe.nlist, plan.nprobe * WIDEN_FACTOR))
        scores[short], found[short] = candidates(served, plan, queries[short], allowed)
    return scores, found


def rerank(
    scorer: RowScorer,
    vectors: RowVectors,
    recipe: Recipe,
    plan: SearchPlan,
    queries: Floats,
    found: Ints,
    available: Mask,
) -> tuple[Floats, Ints]:
    """True scores of the candidates, the k best by score and then row.

    An answer that lacks rows although there are more, or whose k-th ties with what an exhaustive search cut, is
    completed by scanning all rows that are available (bool [end_row]).
    """
    # One more than asked shows whether the k-th ties with what was cut.
    tied = recipe.exhaustive and plan.available > plan.k
    scores, rows = scorer.best(vectors, queries, found, plan.k + tied)
    numbers = _lacking(rows, min(plan.k, plan.available))
    if tied:
        alike = np.flatnonzero(scores[:, plan.k - 1] == scores[:, plan.k])
        numbers = np.union1d(numbers, alike) if len(alike) else numbers
        scores, rows = scores[:, : plan.k], rows[:, : plan.k]
    if len(numbers):
        scores[numbers], rows[numbers] = exact_rows(vectors, np.flatnonzero(available), queries[numbers], plan.k)
    return scores, rows


def _lacking(rows: Ints, wanted: int) -> Ints:
    """Which lines of rows int64 [q, n] hold fewer than `wanted` rows: pads come last."""
    if len(rows) == 1:
        return _NONE if rows[0, wanted - 1] >= 0 else _FIRST
    return np.flatnonzero(rows[:, wanted - 1] < 0)

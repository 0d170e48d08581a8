"""The spaces a query is compared in: each retrieves candidates by its index and scores any rows exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xtr_assets.core.arguments import MOST_RESULTS
from xtr_assets.core.asked_name import Name
from xtr_assets.core.asked_place import Place
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Int32s, Ints
from xtr_assets.index.exact_scan import true_scores
from xtr_assets.search.instrumentation import observe_dense, observe_tokens
from xtr_assets.telemetry.tracing import span

if TYPE_CHECKING:
    from xtr_assets.index.dense.index import DenseIndex
    from xtr_assets.index.dense.refinement import DenseResult
    from xtr_assets.index.late.index import TokenIndex, TokenMatch, TokenResult

# Scores closer than this may be the same vectors in another order of summation (float32 sums of about 1,000 products
# of unit vectors): rows this close to the last wanted one are fetched as well, and chunk_ids decide.
TIE = 2e-6

# How much more is asked for while the rows beyond the cut still tie with it.
TIE_GROWTH = 4

# Rows gathered at once: 8,192 x 384 float32 are 12.6 MB.
SCORE_BLOCK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class QueryVectors:
    """A query in the spaces of its mode, None in the others.

    embedding : float32 [dim]; tokens : float32 [t, token_dim]; token_ids : int32 [t] where a text was encoded
    terms : its words as the lexical index knows them; name : what it names, where it is a name and nothing else;
    places : the lines and files that it names, the innermost first; words : its words as they stand, which a text may
    have in a row, none where they are too few
    """

    embedding: Floats | None = None
    tokens: Floats | None = None
    token_ids: Int32s | None = None
    terms: tuple[str, ...] | None = None
    name: Name | None = None
    places: tuple[Place, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """What an index retrieved for one query: rows int64 [n], best first, and their exact scores float32 [n]."""

    rows: Ints
    scores: Floats


class Space(Protocol):
    """One way of comparing."""

    @property
    def name(self) -> str:
        """Its key in `hit.scores`."""

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """The options.k best candidates of each query, and those that tie with the last of them."""

    def score(self, query: QueryVectors, rows: Ints) -> Floats:
        """Exact scores float32 [len(rows)]: the same bits for the same vectors, wherever the rows lie."""


Search = Callable[[int], tuple[Floats, Ints]]


def untied(found: tuple[Floats, Ints], search: Search, n: int, limit: int) -> Listed:
    """What was `found` (scores float32 [n + 1], rows int64 [n + 1]), widened while row n + 1 ties with row n.

    `search(m)` gives the m best; no more than `limit` rows can be found.
    """
    scores, rows = found
    limit = min(limit, MOST_RESULTS)
    while len(rows) > n and rows[-1] >= 0 and scores[n - 1] - scores[-1] <= TIE and len(rows) < limit:
        wanted = min(len(rows) * TIE_GROWTH, limit)
        scores, rows = search(wanted)
        if len(rows) < wanted:
            # These are all there are.
            break
    valid = rows >= 0
    if len(rows) > n and rows[n - 1] >= 0:
        valid &= scores >= scores[n - 1] - TIE
    return Listed(rows[valid], scores[valid])


class DenseSpace:
    """Cosine of the pooled embeddings: candidates by the FAISS index, scores from the float16 store."""

    name = "dense"

    def __init__(self, index: "DenseIndex", vectors: RowVectors) -> None:
        self.index, self._vectors = index, vectors
        self.last: DenseResult | None = None

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """All queries in one call of the index."""
        stacked = np.stack([_embedding(query) for query in queries])

        def search(embeddings: Floats, k: int) -> "DenseResult":
            with span("dense.search", k=k, queries=len(embeddings), recipe=self.index.recipe) as recording:
                result = self.index.answer(embeddings, replace(options, k=k))
                observe_dense(result, recording)
            return result

        # What ties make wider is counted; the last call is this one.
        self.last = found = search(stacked, beyond(options.k))

        def widen(query: int) -> Search:
            def again(k: int) -> tuple[Floats, Ints]:
                wider = search(stacked[query : query + 1], k)
                return wider.scores[0], wider.rows[0]

            return again

        limit = len(self._vectors)
        return [untied((found.scores[i], found.rows[i]), widen(i), options.k, limit) for i in range(len(queries))]

    def score(self, query: QueryVectors, rows: Ints) -> Floats:
        """True inner products, each row summed on its own in one order: equal vectors get equal scores."""
        embedding = _embedding(query)[None]
        blocks = [rows[start : start + SCORE_BLOCK][None] for start in range(0, len(rows), SCORE_BLOCK)]
        scores = [true_scores(self._vectors, embedding, block)[0] for block in blocks]
        return np.concatenate(scores) if scores else np.empty(0, np.float32)

    def reconstruct(self, rows: Ints) -> Floats:
        """The stored vectors float32 [len(rows), dim]."""
        return self.index.reconstruct(rows)


class TokenSpace:
    """MaxSim of the token embeddings per query token: candidates by the token index, scores from the token store."""

    name = "xtr"

    def __init__(self, index: "TokenIndex", rows: int) -> None:
        self.index, self._rows = index, rows
        self.last: Sequence[TokenResult] = ()
        self._about = {"model": index.model.fingerprint8, "dtype": "int8", "backend": index.backend}

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """All queries in one call of the index; one of no tokens compares with nothing and finds nothing."""
        asked = [_tokens(query) for query in queries]

        def search(tokens: Sequence[Floats], k: int) -> "Sequence[TokenResult]":
            with span("xtr.search", k=k, queries=len(tokens), device=self.index.device, **self._about) as recording:
                results = self.index.answer(tokens, replace(options, k=k))
                observe_tokens(results, recording, **self._about)
            return results

        def widen(query: int) -> Search:
            def again(k: int) -> tuple[Floats, Ints]:
                (result,) = search(asked[query : query + 1], k)
                return result.scores, result.rows

            return again

        self.last = found = search(asked, beyond(options.k))
        return [untied((one.scores, one.rows), widen(i), options.k, self._rows) for i, one in enumerate(found)]

    def score(self, query: QueryVectors, rows: Ints) -> Floats:
        """MaxSim divided by the number of query tokens; 0 for a query of none."""
        tokens = _tokens(query)
        with span("xtr.rescore", rows=len(rows), tokens=len(tokens), **self._about):
            return self.index.score(tokens, rows) if len(tokens) else np.zeros(len(rows), np.float32)

    def explain_rows(self, tokens: Floats, rows: Sequence[int], options: SearchOptions) -> "list[list[TokenMatch]]":
        """For each row what each query token met in it, as `retrieve` with these options looked."""
        return self.index.explain_rows(tokens, rows, replace(options, k=beyond(options.k)))


def beyond(k: int) -> int:
    """One more than asked shows whether the k-th ties with what was cut."""
    return min(k + 1, MOST_RESULTS)


def _embedding(query: QueryVectors) -> Floats:
    assert query.embedding is not None, "this mode was asked without an embedding"
    return query.embedding


def _tokens(query: QueryVectors) -> Floats:
    assert query.tokens is not None, "this mode was asked without tokens"
    return query.tokens

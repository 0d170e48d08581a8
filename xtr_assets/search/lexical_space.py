"""The lexical space: BM25 of a query's words, candidates and scores from the postings of the live rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.rare_digits import shares_of_digits
from xtr_assets.search.retrievers import Listed, QueryVectors, Search, Space, beyond, untied
from xtr_assets.telemetry.tracing import span

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex


@dataclass(frozen=True, slots=True)
class LastLexical:
    """One call of the index: `candidates` are those of all its queries."""

    seconds: float
    k: int
    queries: int
    candidates: int


class LexicalSpace:
    """BM25 over the words of path, symbol, title and text; a row that shares no word with the query scores 0."""

    name = "lexical"

    def __init__(self, index: "LexicalIndex", rows: int) -> None:
        self.index, self._rows = index, rows
        # Of the last call that somebody made, for the metrics.
        self.last: LastLexical | None = None

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """The rows that share a word with the query, no more: fewer than options.k where fewer do."""
        asked = [_terms(query) for query in queries]

        def search(terms: Sequence[Sequence[str]], k: int) -> list[tuple[Floats, Ints]]:
            began = perf_counter()
            with span("lexical.search", k=k, queries=len(terms)):
                answers = self.index.answer(terms, replace(options, k=k))
            found = sum(len(one.rows) for one in answers)
            self.last = LastLexical(perf_counter() - began, k, len(terms), found)
            return [(one.scores, one.rows) for one in answers]

        def widen(query: int) -> Search:
            def again(k: int) -> tuple[Floats, Ints]:
                (found,) = search(asked[query : query + 1], k)
                return found

            return again

        found = search(asked, beyond(options.k))
        return [untied(one, widen(i), options.k, self._rows) for i, one in enumerate(found)]

    def score(self, query: QueryVectors, rows: Ints) -> Floats:
        """BM25 of the query's words in each row; 0 where none of them stands in it."""
        with span("lexical.rescore", rows=len(rows)):
            return self.index.score(_terms(query), rows)

    def rarity(self, query: QueryVectors) -> dict[str, float]:
        """How rare each term of the query is that some row holds."""
        return self.index.rarity(_terms(query))


def lexical_among(spaces: Sequence[Space]) -> LexicalSpace | None:
    """The lexical one of these spaces; None where none is."""
    return next((space for space in spaces if isinstance(space, LexicalSpace)), None)


def digits_among(spaces: Sequence[Space], query: QueryVectors, rows: Ints) -> Floats | None:
    """The share of the query's rare words with a digit that rows hold, by the lexical one of these spaces, as
    `shares_of_digits` says it; None where none is lexical."""
    lexical = lexical_among(spaces)
    return None if lexical is None else shares_of_digits(lexical.index, _terms(query), rows)


def rarity_among(spaces: Sequence[Space], query: QueryVectors) -> dict[str, float]:
    """How rare the terms of the query are, by the lexical one of these spaces; nothing where none is lexical."""
    lexical = lexical_among(spaces)
    return {} if lexical is None else lexical.rarity(query)


def _terms(query: QueryVectors) -> tuple[str, ...]:
    assert query.terms is not None, "this mode was asked without terms"
    return query.terms

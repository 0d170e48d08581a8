"""Explanations of hits: exact ranks beside the index's own, z parts, and which token met which."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.search.hits import Explanation, Hit, SpaceExplanation, TokenMatch
from xtr_assets.search.legs import Legs
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Candidates, Ranking
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.retrievers import QueryVectors

NO_ROWS = np.empty(0, np.int64)


def explain_hits(
    opened: OpenGeneration,
    encoder: QueryEncoder,
    queries: Sequence[QueryVectors],
    rankings: Sequence[Ranking],
    hits: Sequence[Sequence[Hit]],
) -> list[list[Hit]]:
    """The hits of each query with `explanation` filled."""
    return [
        [
            replace(hit, explanation=_explain(opened, encoder, query, ranking, row))
            for hit, row in zip(own, ranking.rows.tolist(), strict=True)
        ]
        for query, ranking, own in zip(queries, rankings, hits, strict=True)
    ]


def _explain(
    opened: OpenGeneration, encoder: QueryEncoder, query: QueryVectors, ranking: Ranking, row: int
) -> Explanation:
    return Explanation(
        candidates=len(ranking.candidates.rows),
        spaces=explain_spaces(ranking.candidates, opened.chunk_ids, row, opened.legs),
        tokens=explain_tokens(opened, encoder, query, row, listed="xtr" in ranking.candidates.lists),
    )


def explain_spaces(candidates: Candidates, chunk_ids: Ints, row: int, legs: Legs) -> Mapping[str, SpaceExplanation]:
    """How one candidate stands in each space that it has a score in."""
    at = int(np.searchsorted(candidates.rows, row))
    ids = chunk_ids[candidates.rows]
    spaces = {}
    for name, scores in candidates.scores.items():
        if np.isnan(scores[at]):
            continue
        better = (scores > scores[at]) | ((scores == scores[at]) & (ids < ids[at]))
        listed = np.flatnonzero(candidates.lists.get(name, NO_ROWS) == row)
        moments = candidates.moments.get(name)
        summed = moments is not None and name in candidates.legs
        spaces[name] = SpaceExplanation(
            score=float(scores[at]),
            z=float(moments.standardize(candidates.legs[name][at : at + 1])[0]) if moments and summed else None,
            rank=1 + int(better.sum()),
            listed=1 + int(listed[0]) if len(listed) else None,
            weight=legs.blend.weights[name] if summed else None,
            length=float(legs.shortened(np.array([row]))[0]) if summed and name == "xtr" else None,
        )
    return spaces


def explain_tokens(
    opened: OpenGeneration, encoder: QueryEncoder, query: QueryVectors, row: int, *, listed: bool
) -> tuple[TokenMatch, ...]:
    """For each query token the document token of highest similarity; nothing in a mode that compares no tokens.

    listed : whether the index chose candidates; where all rows were scanned nothing was imputed.
    """
    if query.tokens is None or query.token_ids is None or opened.tokens is None:
        return ()
    matches = opened.tokens.index.explain(query.tokens, row)
    met = opened.token_ids(row)[[match.position for match in matches]]
    asked, found = encoder.surface(opened.generation, query.token_ids), encoder.surface(opened.generation, met)
    return tuple(
        TokenMatch(asked[i], found[i], match.position, match.similarity, listed and not match.retrieved)
        for i, match in enumerate(matches)
    )

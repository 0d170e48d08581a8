"""Explanations of hits: exact ranks beside the index's own, z parts, which token met which, and which words met."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.token_spans import token_spans
from xtr_assets.core.types import Ints, encoded_text
from xtr_assets.search.blend import ADDED
from xtr_assets.search.hits import Explanation, Hit, SpaceExplanation, TermMatch, TokenMatch
from xtr_assets.search.legs import Legs
from xtr_assets.search.lexical_space import LexicalSpace
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
        _explained(opened, encoder, query, ranking, own)
        for query, ranking, own in zip(queries, rankings, hits, strict=True)
    ]


def _explained(
    opened: OpenGeneration, encoder: QueryEncoder, query: QueryVectors, ranking: Ranking, hits: Sequence[Hit]
) -> list[Hit]:
    rows = ranking.rows.tolist()
    met = explain_tokens(opened, encoder, query, rows, hits, ranking.asked)
    count = len(ranking.candidates.rows)
    return [
        replace(
            hit,
            explanation=Explanation(
                count,
                explain_spaces(ranking.candidates, opened.chunk_ids, row, opened.legs),
                tokens,
                explain_terms(opened.lexical, query, row),
            ),
        )
        for hit, row, tokens in zip(hits, rows, met, strict=True)
    ]


def explain_spaces(candidates: Candidates, chunk_ids: Ints, row: int, legs: Legs) -> Mapping[str, SpaceExplanation]:
    """How one candidate stands in each space that it has a score in."""
    at = int(np.searchsorted(candidates.rows, row))
    ids = chunk_ids[candidates.rows]
    spaces = {}
    for name, scores in candidates.scores.items():
        if np.isnan(scores[at]):
            continue
        # What is added is 0 to those that have none of it, which stand before who loses.
        scores = np.nan_to_num(scores) if name in ADDED else scores
        better = (scores > scores[at]) | ((scores == scores[at]) & (ids < ids[at]))
        listed = np.flatnonzero(candidates.lists.get(name, NO_ROWS) == row)
        moments = candidates.moments.get(name)
        summed = moments is not None and name in candidates.legs
        weight = legs.blend.factors[name] if summed else None
        if name == "dense" and "xtr" in candidates.scores and not candidates.legs:
            # MaxSim ranks alone, and this adds to it.
            weight = legs.blend.pooled
        spaces[name] = SpaceExplanation(
            score=float(scores[at]),
            z=float(moments.standardize(candidates.legs[name][at : at + 1])[0]) if moments and summed else None,
            rank=1 + int(better.sum()),
            listed=1 + int(listed[0]) if len(listed) else None,
            weight=weight,
            length=_length(legs, row, joined=name in candidates.legs) if name == "xtr" else None,
        )
    return spaces


def _length(legs: Legs, row: int, *, joined: bool) -> float | None:
    """What length took off the MaxSim of a row, also where ranks are joined; None where it ranks alone and as it is."""
    if joined:
        return float(legs.shortened(np.array([row]))[0])
    return float(legs.shortened_alone(np.array([row]))[0]) if legs.blend.alone else None


def explain_tokens(
    opened: OpenGeneration,
    encoder: QueryEncoder,
    query: QueryVectors,
    rows: Sequence[int],
    hits: Sequence[Hit],
    listed: SearchOptions | None,
) -> list[tuple[TokenMatch, ...]]:
    """For each row, which is that of a hit, and each query token the document token of highest similarity; nothing in a
    mode that compares no tokens.

    listed : what the index was asked for candidates with; None where all rows were scanned: nothing was imputed.
    """
    if query.tokens is None or query.token_ids is None or opened.tokens is None:
        return [()] * len(rows)
    asked = encoder.surface(opened.generation, query.token_ids)
    found = []
    met = opened.tokens.explain_rows(query.tokens, rows, listed or SearchOptions(1))
    for row, hit, matches in zip(rows, hits, met, strict=True):
        last = max((match.position for match in matches), default=-1)
        surfaces = encoder.surface(opened.generation, opened.token_ids(row)[: last + 1])
        places = _places(surfaces, hit)
        found.append(
            tuple(
                TokenMatch(
                    word,
                    surfaces[match.position],
                    match.position,
                    match.similarity,
                    listed is not None and not match.retrieved,
                    *places[match.position],
                )
                for word, match in zip(asked, matches, strict=True)
            )
        )
    return found


def _places(surfaces: Sequence[str], hit: Hit) -> list[tuple[int, int] | tuple[None, None]]:
    """Where the tokens of a document stand in the text of its hit. The encoder saw the title first: what stands there
    has no place in the text."""
    whole = encoded_text(hit.title, hit.text)
    before = len(whole) - len(hit.text)
    return [
        (None, None) if span is None or span[0] < before else (span[0] - before, span[1] - before)
        for span in token_spans(surfaces, whole)
    ]


def explain_terms(lexical: LexicalSpace | None, query: QueryVectors, row: int) -> tuple[TermMatch, ...]:
    """The words of the query that stand in a document, the one that adds most first; nothing where none is compared."""
    if lexical is None or query.terms is None:
        return ()
    met = [match for match in lexical.index.explain(query.terms, row) if match.count]
    met.sort(key=lambda match: (-match.score, match.term))
    return tuple(TermMatch(match.term, match.count, match.rows, match.score) for match in met)

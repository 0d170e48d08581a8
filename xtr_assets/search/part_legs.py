"""What one part says of a question, raw: candidates with their exact scores in every space, nothing standardized.

Who has this of all parts ranks as one index over all of them would (part_merge.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xtr_assets.core.fusion import Doubles, Moments, z_sum
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.top_k import best_positions, distinct
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.core.where_syntax import Where
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.answer import Asked
from xtr_assets.search.blend import ADDED, NAME
from xtr_assets.search.collapse import Place
from xtr_assets.search.legs import Legs
from xtr_assets.search.lexical_space import LexicalSpace, rarity_among
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.ranker import ranked, scored
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import Listed, QueryVectors, Space


@dataclass(frozen=True, slots=True, eq=False)
class PartCandidates:
    """The candidates of one part for one query, by ascending row.

    ids : int64 [m], chunk ids; scores : per space, and of names, float32 [m], NaN where a row has none
    length : float64 [m], what length takes off MaxSim; lists : per space the candidates that it listed, positions
    int64, best first; allowed : how many rows of the part pass
    unknown : columns of the filter that the part does not have, which are absent in all of its rows; fields : where
    there are such, those of metadata that it has
    keys : of each candidate, where hits are collapsed, that of its symbol or text; None where it stands for itself
    """

    ids: Ints
    scores: Mapping[str, Floats]
    length: Doubles
    lists: Mapping[str, Ints]
    allowed: int
    unknown: tuple[str, ...] = ()
    keys: Sequence[Place | str | None] | None = None
    fields: tuple[str, ...] = ()


def part_candidates(
    opened: OpenGeneration,
    ask: Ask,
    query: QueryVectors,
    text: Query,
    collection: Collection | None,
    most: int | None = None,
) -> PartCandidates:
    """As many candidates of each space as a list of the whole has, scored in all of them.

    collection : of all parts, for the words of the query; None in a mode that compares none. most : how long the lists
    are, by default what k asks for. Raises NotInThisIndex.
    """
    asked, unknown = _asked(opened, ask, text, collection)
    rows, lists = _listed(asked, query, most or asked.ranker.listed(ask.k))
    scores = _scores(asked, query, rows, lists)
    if len(rows) and not lists:
        lists = {name: _best(name, values, rows) for name, values in scores.items()}
        lists |= asked.placed(query, len(rows))
    return _told(asked, query, rows, scores, {name: found.rows for name, found in lists.items()}, unknown)


def part_scan(
    opened: OpenGeneration,
    ask: Ask,
    query: QueryVectors,
    text: Query,
    collection: Collection | None,
    moments: Mapping[str, Moments] | None = None,
    most: int | None = None,
) -> PartCandidates:
    """Of every allowed row, scored in every space, those that mode exact needs: without `moments`, the best of each
    space, which say the moments of the whole; with them also the best of the sum. Where legs are joined by their ranks
    the `most` best of each leg (part_ranks.py).

    The two best at least: how far the first stands above the second is part of its confidence.
    """
    asked, unknown = _asked(opened, ask, text, collection)
    rows = np.flatnonzero(asked.allowed)
    scores = _scores(asked, query, rows, {})
    if not len(rows):
        return _told(asked, query, rows, scores, {}, unknown)
    ids, depth = opened.chunk_ids[rows], asked.ranker.listed(ask.k)
    kept = [ranked(name, values, ids, depth) for name, values in scores.items()]
    legs = asked.ranker.legs
    if ask.options.fusion == "rrf" and legs is not None:
        joined = legs.of(rows, {**scores, **legs.names_of(query, rows)})
        kept = [ranked(space.name, joined[space.name], ids, most or depth) for space in asked.ranker.spaces]
    elif moments is not None and legs is not None:
        besides = _besides(legs, query, rows, scores, asked.ranker.spaces)
        fused = _summed(legs, rows, {**scores, **besides}, moments)
        # Of each kind the best: it may come beside the first of the whole.
        kept += [own[best_positions(fused[own], ids[own], 1)] for own in _kinds(besides)]
        if ask.options.collapse is None:
            kept.append(best_positions(fused, ids, max(ask.k, 2)))
        else:
            order = best_positions(fused, ids, len(ids))
            kept += [order[:2], order[opened.fold(ask.options.collapse).first(rows[order], ask.k)]]
    places = distinct(np.concatenate(kept))
    return _told(asked, query, rows[places], {name: values[places] for name, values in scores.items()}, {}, unknown)


def part_rows(
    opened: OpenGeneration, ask: Ask, query: QueryVectors, text: Query, collection: Collection | None
) -> tuple[Ints, dict[str, Floats], dict[str, Doubles]]:
    """Every allowed row int64 [m], its exact scores by space and of what is beside them, float32 [m], and what is
    joined, by leg, float64 [m]."""
    asked, _ = _asked(opened, ask, text, collection)
    rows, legs = np.flatnonzero(asked.allowed), asked.ranker.legs
    scores = _scores(asked, query, rows, {})
    if legs is None or not len(rows):
        return rows, scores, {}
    scores |= _besides(legs, query, rows, scores, asked.ranker.spaces)
    # As it is added: nothing to those that have none of it, which stand before who loses.
    added = {name: np.nan_to_num(scores.get(name, np.zeros(len(rows), np.float32))) for name in ADDED}
    return rows, {**scores, **added}, legs.of(rows, scores)


def _kinds(besides: Mapping[str, Floats]) -> list[Ints]:
    """The rows that have a name, and those that have none, positions int64 each; nothing where no row has one."""
    if NAME not in besides:
        return []
    nameless = np.isnan(besides[NAME])
    return [np.flatnonzero(~nameless), np.flatnonzero(nameless)]


def _summed(legs: Legs, rows: Ints, scores: Mapping[str, Floats], moments: Mapping[str, Moments]) -> Doubles:
    """The sums that the whole has by its moments, of scores by space and of what is beside them; a row without a name
    has the mean one."""
    legs_here = legs.of(rows, scores)
    found = {name: values for name, values in legs_here.items() if name in moments}
    if NAME in found:
        found[NAME] = np.where(np.isnan(found[NAME]), moments[NAME].mean, found[NAME])
    return z_sum(found, moments, legs.blend.factors)


def _besides(
    legs: Legs, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats], spaces: Sequence[Space]
) -> dict[str, Floats]:
    """Scores of the rows that are of no space: those of their names, and what names add."""
    found = legs.names_of(query, rows)
    added = legs.called_by(query, rarity_among(spaces, query), rows, {**scores, **found})
    digits = legs.digits_by(query, rows, spaces)
    return {**found, **legs.borne_by(query, rows, scores), **added, **legs.placed_by(query, rows), **digits}


def within(space: Space, opened: OpenGeneration, collection: Collection | None) -> Space:
    """A space of a part, the lexical one as that of a part of the collection."""
    if not isinstance(space, LexicalSpace) or collection is None:
        return space
    return LexicalSpace(space.index.within(collection), opened.generation.end_row)


def allowed_here(opened: OpenGeneration, where: Where | None) -> tuple[Mask, tuple[str, ...]]:
    """The rows of a part that may be returned, bool [end_row], and the columns of the filter that it has not: another
    part may have them, here they are absent, which a filter may ask for."""
    unknown = opened.filters.unknown(where)
    allowed = opened.live if where is None else opened.filters.mask(where, elsewhere=bool(unknown))
    return allowed, unknown


def part_asked(opened: OpenGeneration, ask: Ask, text: Query) -> Asked:
    """A question to one part as `part_candidates` puts it to the indexes."""
    return _asked(opened, ask, text, None)[0]


def _asked(
    opened: OpenGeneration, ask: Ask, text: Query, collection: Collection | None
) -> tuple[Asked, tuple[str, ...]]:
    spaces = tuple(within(space, opened, collection) for space in opened.spaces(ask.mode))
    allowed, unknown = allowed_here(opened, ask.where)
    demanded = opened.required.mask(text)
    if demanded is not None:
        allowed = allowed & demanded
    asked = Asked(opened, ask, allowed, Timing(), masked=ask.where is not None, demanded=demanded is not None)
    asked.ranker = replace(asked.ranker, spaces=spaces)
    return asked, unknown


def _told(
    asked: Asked,
    query: QueryVectors,
    rows: Ints,
    scores: dict[str, Floats],
    lists: Mapping[str, Ints],
    unknown: tuple[str, ...],
) -> PartCandidates:
    opened, legs = asked.opened, asked.ranker.legs
    length = np.zeros(len(rows))
    if legs is not None and len(rows):
        scores = scores | _besides(legs, query, rows, scores, asked.ranker.spaces)
        if asked.ask.options.fusion == "zsum":
            # Of the best by words of this part; those of the whole are among them.
            scores |= legs.verbatim_by(query, rows, scores, opened.chunk_ids[rows])
        length = legs.shortened(rows)
    elif legs is None:
        scores = scores | asked.ranker.beside(query, rows)
        if asked.ranker.shortened is not None:
            length = asked.ranker.shortened(rows)
    places = {name: np.searchsorted(rows, found) for name, found in lists.items()}
    collapse = asked.ask.options.collapse
    keys = None if collapse is None else opened.fold(collapse).keys(rows)
    fields = opened.filters.fields() if unknown else ()
    return PartCandidates(opened.chunk_ids[rows], scores, length, places, asked.count, unknown, keys, fields)


def _scores(asked: Asked, query: QueryVectors, rows: Ints, lists: Mapping[str, Listed]) -> dict[str, Floats]:
    if not len(rows):
        # A part of which nothing passes may have no index to be asked.
        return {space.name: np.empty(0, np.float32) for space in asked.ranker.spaces}
    return {space.name: scored(space, query, rows, lists.get(space.name)) for space in asked.ranker.spaces}


def _listed(asked: Asked, query: QueryVectors, most: int) -> tuple[Ints, Mapping[str, Listed]]:
    """The candidates, ascending, and the list of each space; every allowed row, and no list, where one index of so few
    rows would score them all: so few may be all that the other parts together allow as well."""
    if not asked.count:
        return np.empty(0, np.int64), {}
    if asked.holds_all(most):
        return np.flatnonzero(asked.allowed), {}
    (lists,) = asked.lists([query], most)
    return distinct(np.concatenate([found.rows for found in lists.values()])), lists


def _best(name: str, values: Floats, rows: Ints) -> Listed:
    """Scored rows as a space lists them: of words those alone that share one with the query."""
    best = best_positions(values, rows)
    best = best[values[best] > 0] if name == "lexical" else best
    return Listed(rows[best], values[best])

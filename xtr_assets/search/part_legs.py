"""What one part says of a question, raw: candidates with their exact scores in every space, nothing standardized.

Who has this of all parts ranks as one index over all of them would (part_merge.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from xtr_assets.core.fusion import Doubles
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.top_k import best_positions, distinct
from xtr_assets.core.types import Floats, Ints
from xtr_assets.core.where_syntax import COLUMNS, METADATA_PREFIX, Where
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search.answer import Asked
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.ranker import scored
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import Listed, QueryVectors, Space


@dataclass(frozen=True, slots=True, eq=False)
class PartCandidates:
    """The candidates of one part for one query, by ascending row.

    ids : int64 [m], chunk ids; scores : per space, and of names, float32 [m], NaN where a row has none
    length : float64 [m], what length takes off MaxSim; lists : per space the candidates that it listed, positions
    int64, best first; allowed : how many rows of the part pass
    unknown : columns of the filter that the part does not have: none of its rows passes then
    """

    ids: Ints
    scores: Mapping[str, Floats]
    length: Doubles
    lists: Mapping[str, Ints]
    allowed: int
    unknown: tuple[str, ...] = ()


def part_candidates(
    opened: OpenGeneration, ask: Ask, query: QueryVectors, text: Query, collection: Collection | None
) -> PartCandidates:
    """As many candidates of each space as a list of the whole has, scored in all of them.

    collection : of all parts, for the words of the query; None in a mode that compares none. Raises NotInThisIndex.
    """
    spaces = tuple(_within(space, opened, collection) for space in opened.spaces(ask.mode))
    unknown = unknown_columns(opened, ask.where)
    allowed = np.zeros_like(opened.live) if unknown else opened.allowed(ask.where)
    demanded = opened.required.mask(text)
    if demanded is not None:
        allowed = allowed & demanded
    asked = Asked(
        opened, ask, allowed, Timing(), masked=ask.where is not None or bool(unknown), demanded=demanded is not None
    )
    asked.ranker = replace(asked.ranker, spaces=spaces)
    rows, lists = _listed(asked, query)
    if not len(rows):
        nothing = {space.name: np.empty(0, np.float32) for space in spaces}
        return PartCandidates(rows, nothing, np.empty(0), {}, asked.count, unknown)
    scores = {space.name: scored(space, query, rows, lists.get(space.name)) for space in spaces}
    if asked.scans:
        lists = {name: _best(name, values, rows) for name, values in scores.items()}
    length = np.zeros(len(rows))
    if asked.ranker.legs is not None:
        scores |= asked.ranker.legs.names_of(query, rows)
        scores |= asked.ranker.legs.borne_by(query, rows, scores)
        length = asked.ranker.legs.shortened(rows)
    elif asked.ranker.shortened is not None:
        length = asked.ranker.shortened(rows)
    places = {name: np.searchsorted(rows, found.rows) for name, found in lists.items()}
    return PartCandidates(opened.chunk_ids[rows], scores, length, places, asked.count, unknown)


def _listed(asked: Asked, query: QueryVectors) -> tuple[Ints, Mapping[str, Listed]]:
    """The candidates, ascending, and the list of each space; every allowed row, and no list, where one index of so few
    rows would score them all: so few may be all that the other parts together allow as well."""
    if not asked.count:
        return np.empty(0, np.int64), {}
    if asked.scans:
        return np.flatnonzero(asked.allowed), {}
    (lists,) = asked.lists([query], asked.ranker.listed(asked.ask.k))
    return distinct(np.concatenate([found.rows for found in lists.values()])), lists


def _best(name: str, values: Floats, rows: Ints) -> Listed:
    """Scored rows as a space lists them: of words those alone that share one with the query."""
    best = best_positions(values, rows)
    best = best[values[best] > 0] if name == "lexical" else best
    return Listed(rows[best], values[best])


def unknown_columns(opened: OpenGeneration, where: Where | None) -> tuple[str, ...]:
    """Metadata fields that a filter names and no chunk here has: another part may have them."""
    if where is None:
        return ()
    fields = opened.filters.fields()
    asked = [column for column, _ in where.columns if column not in COLUMNS]
    return tuple(one for one in asked if one.removeprefix(METADATA_PREFIX) not in fields)


def _within(space: Space, opened: OpenGeneration, collection: Collection | None) -> Space:
    if not isinstance(space, LexicalSpace) or collection is None:
        return space
    return LexicalSpace(space.index.within(collection), opened.generation.end_row)

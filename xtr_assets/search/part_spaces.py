"""The spaces of a set of parts: each part's index is asked by itself, in its own rows; candidates meet by their scores.

The scores are exact and raw, so that what is merged is what one index over all rows would have listed: whatever belongs
to the best n of all is among the best n of its part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.top_k import kth_best
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.search.retrievers import TIE, DenseSpace, Listed, QueryVectors, Space, TokenSpace

if TYPE_CHECKING:
    from xtr_assets.index.late.index import TokenMatch

One = TypeVar("One", bound=Space)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSpace(Generic[One]):
    """A space of one part; its row r is row `base_row + r` of the set. live : bool [end_row - base_row]."""

    part: str
    base_row: int
    live: Mask
    space: One

    @property
    def end_row(self) -> int:
        return self.base_row + len(self.live)

    def allowed(self, options: SearchOptions) -> Mask | None:
        """What is allowed of this part: bool [end_row - base_row], None for all live rows."""
        return None if options.allowed is None else options.allowed[self.base_row : self.end_row]


class SpaceOfParts(Generic[One]):
    """See Space. parts : in row order, without gaps."""

    def __init__(self, parts: Sequence[PlacedSpace[One]]) -> None:
        self.parts = tuple(parts)
        self.name = self.parts[0].space.name
        self._bases = np.array([part.base_row for part in self.parts], np.int64)

    def retrieve(self, queries: Sequence[QueryVectors], options: SearchOptions) -> list[Listed]:
        """The options.k best candidates of all parts, and those that tie with the last of them."""
        found: list[list[Listed]] = [[] for _ in queries]
        for part in self.parts:
            allowed = part.allowed(options)
            # A part of which nothing is allowed, or lives, is not asked: its index may have nothing to be asked.
            if not (part.live if allowed is None else allowed).any():
                continue
            for own, listed in zip(found, part.space.retrieve(queries, replace(options, allowed=allowed)), strict=True):
                own.append(Listed(listed.rows + part.base_row, listed.scores))
        return [merged(own, options.k) for own in found]

    def score(self, query: QueryVectors, rows: Ints) -> Floats:
        """Exact scores float32 [len(rows)], rows in any order."""
        scores = np.empty(len(rows), np.float32)
        for part, mine in self._owned(rows):
            scores[mine] = part.space.score(query, rows[mine] - part.base_row)
        return scores

    def _owned(self, rows: Ints) -> Iterator[tuple[PlacedSpace[One], Ints]]:
        """Each part that holds some of the rows, and the places of these: int64 [m], ascending."""
        if len(rows) and (rows.min() < 0 or rows.max() >= self.parts[-1].end_row):
            raise InvalidInput(
                f"rows {rows.min()} to {rows.max()}; those of the set are 0 to {self.parts[-1].end_row - 1}"
            )
        owner = np.searchsorted(self._bases, rows, side="right") - 1
        for number in np.unique(owner).tolist():
            yield self.parts[number], np.flatnonzero(owner == number)


class DenseParts(SpaceOfParts[DenseSpace]):
    """Cosine, by the FAISS index of each part."""

    def reconstruct(self, rows: Ints) -> Floats:
        """The stored vectors float32 [len(rows), dim], rows in any order."""
        vectors = np.empty((len(rows), self.parts[0].space.index.dim), np.float32)
        for part, mine in self._owned(rows):
            vectors[mine] = part.space.reconstruct(rows[mine] - part.base_row)
        return vectors


class TokenParts(SpaceOfParts[TokenSpace]):
    """MaxSim, by the token index of each part."""

    def explain_rows(self, tokens: Floats, rows: Sequence[int], options: SearchOptions) -> "list[list[TokenMatch]]":
        """For each row what each query token met in it, in the index of its part."""
        asked = np.array(rows, np.int64)
        found: dict[int, list[TokenMatch]] = {}
        for part, mine in self._owned(asked):
            own = replace(options, allowed=part.allowed(options))
            told = part.space.explain_rows(tokens, (asked[mine] - part.base_row).tolist(), own)
            found |= zip(mine.tolist(), told, strict=True)
        return [found[place] for place in range(len(rows))]


def merged(lists: Sequence[Listed], n: int) -> Listed:
    """One list of several, each of the n best of its rows and their ties: the n best of all, and their ties.

    >>> one = Listed(np.array([3, 1]), np.array([0.9, 0.5], "f4"))
    >>> two = Listed(np.array([7]), np.array([0.7], "f4"))
    >>> merged([one, two], 2).rows.tolist()
    [3, 7]
    """
    if not lists:
        return Listed(np.empty(0, np.int64), np.empty(0, np.float32))
    rows, scores = np.concatenate([one.rows for one in lists]), np.concatenate([one.scores for one in lists])
    if len(rows) > n:
        kept = scores >= kth_best(scores, n) - TIE
        rows, scores = rows[kept], scores[kept]
    order = np.lexsort((rows, -scores))
    return Listed(rows[order], scores[order])

"""Retrieval in numpy: slow, and the statement of what the compiled backends compute."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.centroids import Numbers, TokenModel
from xtr_assets.index.late.options import Depths
from xtr_assets.index.late.postings import Postings
from xtr_assets.index.late.query import Levels, Probes, Query, best_lists, centroid_levels, centroid_scores
from xtr_assets.index.late.token_store import Likely, concatenated_ranges, stored_maxsim

# Token pruning: a token of a document is multiplied where its centroid comes this close, in levels, to the best of the
# document's centroids for some query token: a fifth of the tokens. Over 12,000 chunks of code, 256 of them rescored,
# overlap@10 was 0.988 with 4, 0.987 with 2 and with 1.
LIKELY_MARGIN = 2
PHASES = ("retrieve", "impute", "rescore")


@dataclass(frozen=True, slots=True)
class PlacedPostings:
    """Postings of a segment and where its rows lie."""

    base_row: int
    rows: int
    postings: Postings


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows worth exact scores: int64 [n] ascending.

    retrieved : documents read from lists, each once for each list and query token; touched : rows among them;
    meetings : pairs of query token and row among them; rescored : rows of which tokens were multiplied; seconds : spent
    in each of PHASES.
    """

    rows: Ints
    retrieved: int
    touched: int
    meetings: int
    rescored: int
    seconds: tuple[float, float, float]


class Backend(Protocol):
    """What computes. All backends return the same rows and scores."""

    name: str

    def retrieve(self, query: Query, depths: Depths, allowed: Mask | None) -> Candidates: ...

    def rescore(self, query: Query, rows: Ints) -> Floats: ...

    def exact(self, query: Query, rows: Ints) -> Floats: ...

    def exact_many(self, queries: Sequence[Query], rows: Ints) -> Floats: ...


class ReferenceBackend:
    """numpy only. See `retrieve` for the algorithm."""

    name = "numpy"

    def __init__(self, model: TokenModel, segments: Sequence[PlacedPostings], tokens: RowTokens) -> None:
        self.model, self.segments, self.tokens = model, tuple(segments), tokens

    def retrieve(self, query: Query, depths: Depths, allowed: Mask | None) -> Candidates:
        """The `keep` rows that are likeliest to have the highest MaxSim, found in three steps, each for fewer rows.

        1. Each query token reads its nprobe best lists, the best first, and a row gains what the first list that holds
           it lies above the token's floor: the level of its best unread list, or that of the list that the k'-th
           document comes from where that is higher. But for the sum of floors, which all rows share, this is XTR's
           score with imputation (core/imputation.py) of tokens that stand for their centroids. The best `met` rows by
           gain go on; with nprobe 0 every allowed row does.
        2. A row scores, for each query token, the best level of its own centroids: so what no list met is imputed by
           what the document holds. The best `limit` rows go on.
        3. A row scores MaxSim of the query in 8 bits after token pruning: the tokens whose centroid comes within
           LIKELY_MARGIN of the best level of some query token. The best `keep` rows come back; with keep 0 this step is
           left out.

        Equal scores go by ascending row everywhere. allowed : bool [end_row], or None where every row is.
        """
        started = time.perf_counter()
        scores = centroid_scores(self.model, query)
        levels = centroid_levels(scores)
        retrieved = touched = meetings = 0
        if depths.nprobe:
            gains, retrieved, meetings = self.gains(best_lists(scores, levels, depths.nprobe), depths.k_prime, allowed)
            rows = np.flatnonzero(gains >= 0)
            touched = len(rows)
            rows = best_ascending(gains[rows], rows, depths.met)
        else:
            rows = self._allowed_rows(allowed)
            touched = len(rows)
        lists = time.perf_counter()
        best = self.interact(levels, rows)
        chosen = best_ascending(best.sum(axis=1, dtype=np.int64), np.arange(len(rows)), depths.limit)
        rows, best = rows[chosen], best[chosen]
        centroids = time.perf_counter()
        rescored = 0
        if depths.keep:
            rescored = len(rows)
            likely = self.likely(levels, best, rows)
            likeliest = stored_maxsim(query.codes, None, query.scales, self.tokens, rows, likely)
            rows = best_ascending(likeliest, rows, depths.keep)
        seconds = (lists - started, centroids - lists, time.perf_counter() - centroids)
        return Candidates(rows, retrieved, touched, meetings, rescored, seconds)

    def gains(self, probes: Probes, k_prime: int, allowed: Mask | None) -> tuple[Ints, int, int]:
        """Step 1: int64 [end_row], -1 where no list met the row; documents read; pairs of query token and row."""
        gains = np.full(self.tokens.end_row, -1, np.int64)
        retrieved = meetings = 0
        for token in range(len(probes.lists)):
            rows, found, floor = self.counted(probes, token, k_prime, allowed)
            retrieved += len(rows)
            rows, found = rows[found >= floor], found[found >= floor]
            # Lists come from the best down: the first to meet a row counts.
            rows, first = np.unique(rows, return_index=True)
            meetings += len(rows)
            gains[rows] = np.maximum(gains[rows], 0) + found[first] - floor
        return gains, retrieved, meetings

    def counted(self, probes: Probes, token: int, k_prime: int, allowed: Mask | None) -> tuple[Ints, Ints, int]:
        """What one query token read: rows int64 [n], their lists' levels int64 [n] descending, and its floor."""
        rows: list[Ints] = [np.empty(0, np.int64)]
        levels: list[Ints] = [np.empty(0, np.int64)]
        for number, level in zip(probes.lists[token], probes.levels[token], strict=True):
            for segment in self.segments:
                start, stop = segment.postings.lists[number], segment.postings.lists[number + 1]
                documents = segment.postings.documents[start:stop]
                # A damaged number must not lead out of the segment.
                found = segment.base_row + documents[(documents >= 0) & (documents < segment.rows)].astype(np.int64)
                rows.append(found if allowed is None else found[allowed[found]])
                levels.append(np.full(len(rows[-1]), level, np.int64))
        found_levels = np.concatenate(levels)
        floor = int(probes.floors[token])
        if len(found_levels) >= k_prime:
            floor = max(floor, int(found_levels[k_prime - 1]))
        return np.concatenate(rows), found_levels, floor

    def interact(self, levels: Levels, rows: Ints) -> Levels:
        """Step 2: the best level of each query token over the centroids of each row, uint8 [n, t]; rows ascending."""
        best = np.empty((len(rows), levels.shape[1]), np.uint8)
        for own in self.documents(rows, len(levels)):
            best[own.rows] = np.maximum.reduceat(levels[own.numbers], own.bounds[:-1], axis=0)
        return best

    def likely(self, levels: Levels, best: Levels, rows: Ints) -> Likely:
        """The tokens that step 3 multiplies; best : uint8 [n, t] from `interact`."""
        thresholds = np.maximum(best.astype(np.int16) - LIKELY_MARGIN, 0)
        places, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for own in self.documents(rows, len(levels)):
            least = np.repeat(thresholds[own.rows], np.diff(own.bounds), axis=0)
            reached = (levels[own.numbers] >= least).any(axis=1)
            places.append(own.places[reached])
            counts.append(np.add.reduceat(reached, own.bounds[:-1], dtype=np.int64))
        return Likely(np.concatenate(places), np.concatenate(counts))

    def documents(self, rows: Ints, centroids: int) -> Iterator["Documents"]:
        """The tokens of ascending rows, segment by segment."""
        for segment, part, done, stop in self._parts(rows):
            positions = rows[done:stop] - part.base_row
            starts, lengths = part.offsets[positions], part.offsets[positions + 1] - part.offsets[positions]
            places = concatenated_ranges(starts, lengths)
            # A damaged number must not lead out of the centroids.
            numbers = np.minimum(segment.postings.numbers[places], centroids - 1)
            yield Documents(slice(done, stop), places, np.concatenate([[0], np.cumsum(lengths)]), numbers)

    def rescore(self, query: Query, rows: Ints) -> Floats:
        """MaxSim of the query in 8 bits with stored tokens, summed over query tokens: float32 [n]; rows ascending."""
        return stored_maxsim(query.codes, None, query.scales, self.tokens, rows)

    def exact(self, query: Query, rows: Ints) -> Floats:
        """MaxSim of the query in 16 bits with stored tokens, summed over query tokens: float32 [n]; rows ascending."""
        return stored_maxsim(query.codes, query.fine_codes, query.scales / np.float32(256), self.tokens, rows)

    def exact_many(self, queries: Sequence[Query], rows: Ints) -> Floats:
        """`exact` of each of one or more queries: float32 [q, n]; rows ascending."""
        return np.stack([self.exact(query, rows) for query in queries])

    def _parts(self, rows: Ints) -> Iterator[tuple[PlacedPostings, TokenPart, int, int]]:
        """Segments that hold some of the ascending rows: rows[start:stop] of each."""
        start = 0
        for segment, part in zip(self.segments, self.tokens.parts, strict=True):
            stop = int(np.searchsorted(rows, part.end_row))
            if stop > start:
                yield segment, part, start, stop
            start = stop

    def _allowed_rows(self, allowed: Mask | None) -> Ints:
        stored = [np.arange(part.base_row, part.end_row) for part in self.tokens.parts]
        rows = np.concatenate([np.empty(0, np.int64), *stored])
        return rows if allowed is None else rows[allowed[rows]]


@dataclass(frozen=True, slots=True, eq=False)
class Documents:
    """Tokens of some rows of one segment: rows, a slice of those asked for; places int64 [m] in the segment's arrays;
    bounds int64 [rows + 1] of each row's; numbers uint16 or uint32 [m], the centroid of each."""

    rows: slice
    places: Ints
    bounds: Ints
    numbers: Numbers


def best_ascending(scores: npt.NDArray[Any], rows: Ints, limit: int) -> Ints:
    """The rows of the `limit` best scores, ascending; equal scores by ascending row, which rows must do."""
    if len(rows) <= limit:
        return rows
    return np.sort(rows[best_positions(scores.astype(np.float64), rows, limit)])

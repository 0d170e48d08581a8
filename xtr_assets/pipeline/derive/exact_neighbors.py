"""Exact neighbours of the gate queries, by delta: the parent's lists minus dead rows, merged with the new rows'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import SPACE_OF, Floats, Ints, Mask
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, neighbor_files, read_neighbors, write_neighbors
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import GateQueries
from xtr_assets.storage.generation import Generation

# Lists are kept three times as deep as the gate looks, so that a list loses two thirds of its rows before its query
# has to be compared with the whole corpus again.
DEPTH_FACTOR = 3

# (queries, rows to look at, scores float32 [q] that a row must exceed to be of use) -> (scores, rows).
Search = Callable[[Sequence[int], Mask, Floats], tuple[Floats, Ints]]


@dataclass(frozen=True, slots=True)
class ExactReport:
    """How many lists were carried over from the parent and how many were computed over all rows, in each space."""

    carried: int
    computed: int


def exact_neighbors(session: DraftSession) -> dict[str, ExactReport]:
    """Compute and keep the exact neighbours of the gate queries in each space of the draft; the reports by space."""
    draft, gate, k = session.draft, session.queries(), session.config.recall.k
    makers = {"dense": _dense_search, "tokens": _token_search}
    reports: dict[str, ExactReport] = {}
    for leg in sorted(draft.legs):
        space, search = SPACE_OF[leg], makers[leg](draft, gate, DEPTH_FACTOR * k)
        found, reports[space] = _neighbors(search, len(gate), k, draft.live, _carried(session, space))
        write_neighbors(draft, space, found)
    return reports


def _dense_search(draft: Generation, gate: GateQueries, depth: int) -> Search:
    vectors = draft.vectors()

    def dense(queries: Sequence[int], rows: Mask, _: Floats) -> tuple[Floats, Ints]:
        return exact_dense(vectors, rows, gate.embeddings[list(queries)], depth)

    return dense


def _token_search(draft: Generation, gate: GateQueries, depth: int) -> Search:
    tokens = draft.tokens()

    def xtr(queries: Sequence[int], rows: Mask, above: Floats) -> tuple[Floats, Ints]:
        return exact_tokens(tokens, rows, [gate.tokens[i] for i in queries], depth, above=above)

    return xtr


@dataclass(frozen=True, slots=True)
class _Carried:
    """The parent's lists for the queries of the draft; `position` int64 [q] is -1 where the parent lacks a query."""

    lists: Neighbors
    position: Ints
    live_rows: int
    same_rows: Mask

    def floor(self, query: int) -> float:
        """The score of the last entry of the query's list: what the list did not reach scores at most that; -inf where
        it held every row there was."""
        listed = np.flatnonzero(self.lists.rows[self.position[query]] >= 0)
        if not len(listed) or len(listed) >= self.live_rows:
            return -np.inf
        return float(self.lists.scores[self.position[query], listed[-1]])


def _carried(session: DraftSession, space: str) -> _Carried | None:
    parent, asked = session.carried, session.parent_queries()
    if parent is None or asked is None or not parent.has_file(neighbor_files(space)[0]):
        return None
    before = {query.key: i for i, query in enumerate(asked.queries)}
    position = np.array([before.get(query.key, -1) for query in session.queries().queries], np.int64)
    return _Carried(read_neighbors(parent, space), position, parent.live_rows, session.rows.same)


def _neighbors(
    search: Search, queries: int, k: int, live: Mask, before: _Carried | None
) -> tuple[Neighbors, ExactReport]:
    depth = DEPTH_FACTOR * k
    scores, rows = np.full((queries, depth), -np.inf, np.float32), np.full((queries, depth), -1, np.int64)
    carried = [] if before is None else np.flatnonzero(before.position >= 0).tolist()
    short: list[int] = sorted(set(range(queries)) - set(carried))
    if before is not None and carried:
        floors = np.array([before.floor(query) for query in carried], np.float32)
        new_scores, new_rows = search(carried, live & ~before.same_rows, floors)
        for i, query in enumerate(carried):
            merged = _merge(before, query, new_scores[i], new_rows[i])
            if len(merged.rows) < min(k, int(live.sum())):
                short.append(query)
                continue
            count = min(depth, len(merged.rows))
            scores[query, :count], rows[query, :count] = merged.scores[:count], merged.rows[:count]
    if short:
        scores[short], rows[short] = search(short, live, np.full(len(short), -np.inf, np.float32))
    return Neighbors(scores, rows), ExactReport(carried=queries - len(short), computed=len(short))


def _merge(before: _Carried, query: int, new_scores: Floats, new_rows: Ints) -> Neighbors:
    """The part of the merged list that is certain: of the new rows only those above the list's floor have a place."""
    position = before.position[query]
    listed = before.lists.rows[position] >= 0
    old_rows, old_scores = before.lists.rows[position][listed], before.lists.scores[position][listed]
    survivors = before.same_rows[np.minimum(old_rows, len(before.same_rows) - 1)] & (old_rows < len(before.same_rows))
    new = (new_rows >= 0) & (new_scores > before.floor(query))
    rows = np.concatenate([old_rows[survivors], new_rows[new]])
    scores = np.concatenate([old_scores[survivors], new_scores[new]])
    order = best_positions(scores, rows)
    return Neighbors(scores[order], rows[order])

"""Faults in what the gate judges by: lists of exact neighbours, and queries."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice, repeat
from typing import Any

import numpy as np

from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, Plant, locally, replaced

# A list that lacks or keeps rows shows in the sets of rows, or in what an honest index finds beside it.
LISTS = frozenset({"rows_everywhere", "dense_recall", "dense_recall_new_rows", "xtr_recall", "xtr_recall_new_rows"})
ASKED = LISTS | {"known_item", "answers_agree", "evidence_suffices"}
EVIDENCE = frozenset({"evidence_suffices"})
ROWS = frozenset({"rows_everywhere"})
SPACE = "pipeline.derive.exact_neighbors"


def _same(alter: Callable[[Any, Any, Any], Any]) -> Plant:
    """`alter(rows that are the same, parent, draft)`."""

    def make(original: Any) -> Any:
        def carried(session: Any, space: str) -> Any:
            found = original(session, space)
            if found is None:
                return None
            return replace(found, same_rows=alter(found.same_rows.copy(), session.carried, session.draft))

        return carried

    return locally(SPACE, "_carried", make)


def _one_diff(alter: Callable[[Any, Any, Any], Any]) -> Plant:
    """The same in the diff that every step and check of a run shares."""

    def make(original: Any) -> Any:
        def diff(parent: Any, draft: Any) -> Any:
            made = original(parent, draft)
            if parent is not None:
                # What a cached property gave is kept under its name.
                made.__dict__["same"] = alter(made.same.copy(), parent, draft)
            return made

        return diff

    return locally("pipeline.plan.draft_session", "RowDiff", make)


def _all_the_same(_same: Any, _parent: Any, draft: Any) -> Any:
    return np.array(draft.live)


def _the_dead_too(same: Any, parent: Any, _: Any) -> Any:
    same[: parent.end_row] |= parent.live
    return same


def _nothing_new(original: Any) -> Any:
    return lambda draft, fresh, *given: original(draft, np.zeros_like(fresh), *given)


def _of_old_rows(original: Any) -> Any:
    return lambda draft, fresh, *given: original(draft, draft.live & ~fresh if fresh.any() else fresh, *given)


def _the_first_for_ever(original: Any) -> Any:
    def draw(*given: Any, **more: Any) -> Any:
        first = next(chain.from_iterable(original(*given, **more)), None)
        return iter([repeat(first)] if first is not None else [])

    return draw


def _unchanged(original: Any) -> Any:
    def neighbors(search: Any, queries: int, k: int, live: Any, before: Any) -> Any:
        found, report = original(search, queries, k, live, before)
        if before is not None:
            known = np.flatnonzero(before.position >= 0)
            found.scores[known], found.rows[known] = (
                before.lists.scores[before.position[known]],
                before.lists.rows[before.position[known]],
            )
        return found, report

    return neighbors


def _without_the_best(original: Any) -> Any:
    def exact(*given: Any, **more: Any) -> Any:
        scores, rows = original(*given, **more)
        return np.roll(scores, -1, axis=1), np.roll(rows, -1, axis=1)

    return exact


def _vectors_of_the_next(original: Any) -> Any:
    def encode(*given: Any) -> Any:
        found = original(*given)
        order = np.roll(np.arange(len(found)), 1)
        return replace(
            found, embeddings=found.embeddings[order], tokens=tuple(found.tokens[at] for at in order.tolist())
        )

    return encode


def _one_new(original: Any) -> Any:
    return lambda before, query, scores, rows: original(before, query, scores[:1], rows[:1])


MUTANTS = (
    Mutant(
        "exact lists lose what is new",
        "exact lists",
        _same(_all_the_same),
        LISTS,
        INCREMENTAL,
    ),
    Mutant("exact lists take one new row each", "exact lists", locally(SPACE, "_merge", _one_new), LISTS, INCREMENTAL),
    Mutant("exact lists keep the dead", "exact lists", _same(_the_dead_too), LISTS, INCREMENTAL),
    Mutant("the run's row diff knows of nothing new", "row diff", _one_diff(_all_the_same), ROWS, INCREMENTAL),
    Mutant("the run's row diff keeps the dead", "row diff", _one_diff(_the_dead_too), ROWS, INCREMENTAL),
    Mutant("exact lists of the parent", "exact lists", locally(SPACE, "_neighbors", _unchanged), LISTS, INCREMENTAL),
    Mutant("exact lists lack the best", "exact lists", locally(SPACE, "exact_dense", _without_the_best), LISTS),
    Mutant(
        "no query is drawn",
        "queries",
        replaced("pipeline.queries.synthesis:stages", lambda _: lambda *_given, **_more: iter(())),
        EVIDENCE,
    ),
    Mutant(
        "new rows are never asked for",
        "queries",
        locally("pipeline.queries.query_sample", "_new", _nothing_new),
        EVIDENCE,
        INCREMENTAL,
    ),
    Mutant(
        "new rows are asked for by texts of old ones",
        "queries",
        locally("pipeline.queries.query_sample", "_new", _of_old_rows),
        EVIDENCE,
        INCREMENTAL,
    ),
    Mutant(
        "one query is drawn for ever",
        "queries",
        locally("pipeline.queries.drawn_queries", "stages", _the_first_for_ever),
        EVIDENCE,
        FULL,
    ),
    Mutant(
        "queries are drawn from one chunk",
        "queries",
        locally(
            "pipeline.queries.drawn_queries", "pieces", lambda original: lambda *given: islice(original(*given), 1)
        ),
        EVIDENCE,
        FULL,
    ),
    Mutant(
        "queries have the vectors of the next query",
        "queries",
        replaced("pipeline.queries.gate_queries:encode", _vectors_of_the_next),
        ASKED,
        INCREMENTAL,
    ),
)

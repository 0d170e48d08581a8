"""Faults in what answers: hydration, filters, ranking. They are there while the gate looks, and while users do."""

from typing import Any

import numpy as np

from xtr_assets_tests.mutants.fault import INCREMENTAL, Mutant, locally, replaced

WHOLE = frozenset({"hits_are_whole"})
ITSELF = frozenset({"finds_itself", "known_item"})


def _one_further(original: Any) -> Any:
    def row(self: Any, number: int) -> Any:
        last = self._segments[-1].end_row - 1
        try:
            return original(self, min(number + 1, last))
        except Exception:  # a hole: no row of its own
            return original(self, number)

    return row


def _another_segment(original: Any) -> Any:
    def row(self: Any, number: int) -> Any:
        ends = [one.end_row for one in self._segments]
        owner = int(np.searchsorted(ends, number, side="right"))
        other = self._segments[(owner + 1) % len(ends)]
        return original(self, other.base_row + (number - self._segments[owner].base_row) % other.segment.rows)

    return row


def _negative(original: Any) -> Any:
    def encode(self: Any, *given: Any) -> Any:
        from dataclasses import replace

        found = original(self, *given)
        return [one if one.embedding is None else replace(one, embedding=-one.embedding) for one in found]

    return encode


MUTANTS = (
    Mutant(
        "hydration is off by one",
        "hydration",
        replaced("storage.row_hydration:Hydrator._row", _one_further),
        WHOLE,
        serves=True,
    ),
    Mutant(
        "hydration reads another segment",
        "hydration",
        replaced("storage.row_hydration:Hydrator._row", _another_segment),
        WHOLE,
        serves=True,
    ),
    Mutant(
        "hydration forgets line shifts",
        "hydration",
        locally("storage.row_hydration", "shift_at", lambda _: lambda _shifts, _position: 0),
        WHOLE,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "chunk ids of the row before",
        "hydration",
        replaced("search.reader:_chunk_ids", lambda original: lambda one: np.roll(original(one), 1)),
        WHOLE | ITSELF,
        serves=True,
    ),
    Mutant(
        "filters are off by one",
        "filters",
        replaced(
            "search.filter_masks:RowFilters.mask",
            lambda original: lambda self, where: np.roll(original(self, where), 1),
        ),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "filters let nothing of the last segment through",
        "filters",
        replaced(
            "search.filter_masks:RowFilters._evaluate",
            lambda original: lambda self, where: _without_last(self, original(self, where)),
        ),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "filters let dead rows through",
        "filters",
        replaced(
            "search.filter_masks:RowFilters.__init__",
            lambda original: (
                lambda self, placed, live, previous=None: original(self, placed, np.ones_like(live), previous)
            ),
        ),
        ITSELF,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "all rows count as live",
        "search",
        replaced(
            "search.reader:OpenGeneration.live", lambda _: lambda self: np.ones(self.generation.end_row, np.bool_)
        ),
        ITSELF | WHOLE,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "the worst come first",
        "search",
        locally(
            "search.ranker", "best_positions", lambda original: lambda scores, ids, k=None: original(-scores, ids, k)
        ),
        ITSELF | WHOLE,
        serves=True,
    ),
    Mutant(
        "the sum of z-scores is turned round",
        "search",
        locally("search.ranker", "z_sum", lambda original: lambda *given: -original(*given)),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "queries are encoded with the wrong sign",
        "search",
        replaced("search.query_encoder:QueryEncoder.encode", _negative),
        ITSELF,
        serves=True,
    ),
)


def _without_last(filters: Any, mask: Any) -> Any:
    mask[filters._placed[-1][0] :] = False
    return mask

"""Faults in what comes beside the first hit: the best of the other kind, by `hybrid.beside`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from xtr_assets.core.top_k import best_positions
from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, replaced

ANSWERS = frozenset({"answers_agree"})
PLACE = "beside"


def beside(change: Callable[..., Any]) -> Plant:
    """`change(sums, named, ids, most, found)`."""

    def make(original: Any) -> Any:
        def changed(sums: Any, named: Any, ids: Any, most: float) -> Any:
            found = original(sums, named, ids, most)
            return None if found is None else change(sums, named, ids, most, found)

        return changed

    return replaced("core.fusion:beside", make)


def _of(which: int, *, same: bool = False) -> Callable[..., Any]:
    """The row of this rank among those of a kind, lifted as the best one would be."""

    def change(sums: Any, named: Any, ids: Any, most: float, _: Any) -> Any:
        first = int(best_positions(sums, ids, 1)[0])
        others = np.flatnonzero(named == named[first] if same else named != named[first])
        ranked = best_positions(sums[others], ids[others], len(others))
        position = int(others[ranked[which if which < len(ranked) else 0]])
        return position, min(float(sums[position]) + most, float(np.nextafter(sums[first], -np.inf)))

    return change


def _mutant(name: str, plant: Plant) -> Mutant:
    return Mutant(name, PLACE, plant, ANSWERS, FULL, serves=True)


MUTANTS = (
    _mutant(
        "nothing comes beside the first", replaced("core.fusion:beside", lambda _: lambda sums, named, ids, most: None)
    ),
    _mutant("the second of the other kind comes beside", beside(_of(1))),
    _mutant("the last of the other kind comes beside", beside(_of(-1))),
    _mutant("one of the first one's kind comes beside", beside(_of(2, same=True))),
    _mutant(
        "what comes beside passes the first",
        beside(lambda sums, _named, _ids, most, found: (found[0], float(sums.max()) + most)),
    ),
    _mutant(
        "what comes beside gains twice as much",
        beside(
            lambda sums, _named, _ids, most, found: (found[0], min(float(sums[found[0]]) + 2 * most, found[1] + most))
        ),
    ),
    _mutant(
        "what comes beside gains half as much",
        beside(lambda sums, _named, _ids, _most, found: (found[0], (float(sums[found[0]]) + found[1]) / 2)),
    ),
)

"""What live recall found so far: by index, generation, mode and filter. Sums, so that several processes' add up."""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

# Generations that are remembered, those that were measured last: the page compares the one that serves with those
# before it, and after a rollback what serves is not of the highest number.
KEPT = 5
# An answer that misses more than a tenth of what a scan finds is counted beside the mean, which hides it.
LOW = 0.9

_Key = tuple[str, int, str, str]
# Questions, sum of their recalls, how many were below LOW, the lowest.
_Sums = tuple[int, float, int, float]


class RecallTally:
    """Filled by one thread, read by others."""

    def __init__(self) -> None:
        self._sums: dict[_Key, _Sums] = {}
        self._outcomes: dict[tuple[str, str], int] = {}
        self._lock = Lock()

    def add(self, index: str, generation: int, mode: str, left: str, recall: float) -> None:
        """One question."""
        with self._lock:
            self._sums[index, generation, mode, left] = _plus(
                self._sums.pop((index, generation, mode, left), None), (1, recall, int(recall < LOW), recall)
            )
            # In the order in which they were measured, since each is put behind the others.
            latest = list(dict.fromkeys(key[1] for key in reversed(self._sums) if key[0] == index))[:KEPT]
            self._sums = {key: sums for key, sums in self._sums.items() if key[0] != index or key[1] in latest}

    def count(self, index: str, outcome: str) -> None:
        """What became of a question that was chosen."""
        with self._lock:
            self._outcomes[index, outcome] = self._outcomes.get((index, outcome), 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """Everything, JSON-able; `absorb` takes it in elsewhere."""
        with self._lock:
            return {
                "sums": [[*key, *sums] for key, sums in self._sums.items()],
                "outcomes": [[*key, count] for key, count in self._outcomes.items()],
            }

    def absorb(self, snapshot: Mapping[str, Iterable[Any]]) -> None:
        """Add what another process counted."""
        with self._lock:
            for index, generation, mode, left, *sums in snapshot["sums"]:
                key = (index, generation, mode, left)
                self._sums[key] = _plus(self._sums.get(key), (sums[0], sums[1], sums[2], sums[3]))
            for index, outcome, count in snapshot["outcomes"]:
                self._outcomes[index, outcome] = self._outcomes.get((index, outcome), 0) + count

    def document(self, index: str) -> dict[str, Any]:
        """Of one index, the latest generation first. Nothing measured is no figure, never 1.0."""
        with self._lock:
            measured = sorted(
                ((key[1:], sums) for key, sums in self._sums.items() if key[0] == index),
                key=lambda one: (-one[0][0], one[0][1:]),
            )
            outcomes = {outcome: count for (own, outcome), count in self._outcomes.items() if own == index}
        return {
            "outcomes": dict(sorted(outcomes.items())),
            "measured": [
                {
                    "generation": generation,
                    "mode": mode,
                    "filter": left,
                    "questions": questions,
                    "mean": total / questions,
                    "low": low,
                    "least": least,
                }
                for (generation, mode, left), (questions, total, low, least) in measured
            ],
        }


def _plus(one: _Sums | None, other: _Sums) -> _Sums:
    if one is None:
        return other
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], min(one[3], other[3])

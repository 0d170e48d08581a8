"""Windows over long texts, and batches of windows of like length. Pure numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Ints


@dataclass(frozen=True, slots=True)
class Windows:
    """Contiguous pieces of token id lists, at most `capacity` long each; every text has at least one, maybe empty.

    owner, start, stop : int64 [w]; window j holds ids[start[j]:stop[j]] of text owner[j]. In order of text, then place.
    """

    owner: Ints
    start: Ints
    stop: Ints

    @property
    def lengths(self) -> Ints:
        return self.stop - self.start


def cut_windows(lengths: Sequence[int] | Ints, capacity: int) -> Windows:
    """Cut each text into the fewest windows of at most `capacity` tokens, of nearly equal size.

    Nearly equal, because a last window of two tokens would be encoded with no context.

    >>> w = cut_windows([3, 0, 11], 5)
    >>> w.owner.tolist(), w.start.tolist(), w.stop.tolist()
    ([0, 1, 2, 2, 2], [0, 0, 0, 3, 7], [3, 0, 3, 7, 11])
    """
    length = np.asarray(lengths, np.int64)
    count = np.maximum(1, -(-length // capacity))
    owner = np.repeat(np.arange(len(length)), count)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return Windows(owner, nth * length[owner] // count[owner], (nth + 1) * length[owner] // count[owner])


def batches(lengths: Ints, budget: int, overhead: int) -> Iterator[Ints]:
    """Positions of like length together, longest first; a batch times its longest is at most `budget`, or is single.

    The batches that cost least, where one costs its padded tokens and `overhead` tokens more. Longest first, so that
    memory peaks at once rather than at the end.

    >>> [b.tolist() for b in batches(np.array([2, 9, 2, 4]), 12, overhead=1)]
    [[1], [3], [0, 2]]
    >>> [b.tolist() for b in batches(np.array([2, 9, 2, 4]), 12, overhead=10)]
    [[1], [3, 0, 2]]
    """
    order = np.argsort(-lengths, kind="stable")
    count = len(order)
    # From the end: the least that windows i and on can cost, and how many of them the first batch takes then.
    least, take = np.zeros(count + 1), np.ones(count, np.int64)
    for i in range(count - 1, -1, -1):
        longest = max(1, int(lengths[order[i]]))
        most = min(max(1, budget // longest), count - i)
        costs = longest * np.arange(1, most + 1) + overhead + least[i + 1 : i + most + 1]
        # Of equal costs the largest batch.
        take[i] = most - int(np.argmin(costs[::-1]))
        least[i] = costs[take[i] - 1]
    start = 0
    while start < count:
        yield order[start : start + take[start]]
        start += int(take[start])

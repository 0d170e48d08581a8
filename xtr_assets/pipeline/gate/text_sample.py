"""The sample of rows that is encoded again: few, and drawn so that a fault of many rows meets one of them."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from xtr_assets.core.types import Ints

# Rows of a change that are encoded again: one in thirty of what was encoded, but no fewer than say as much as LEAST of
# very many, which cost a second, and MOST while blocks of BLOCK rows allow it: two of each such block, a fifth of a
# percent of a full build. A text costs as much here as in the build: 128 of 16,920 functions are 0.8 % of it.
SHARE, LEAST, MOST, BLOCK = 30, 32, 128, 512
# What LEAST rows say is held for faults in these shares of the rows, see `least_of`; up to WHOLE all are looked at.
HELD_SHARES = (0.05, 0.1, 0.25)
WHOLE = 24
# Texts that are looked at because they are the longest, where tokens are cut and windows are joined; and the shortest.
# Of a small sample no more than an eighth: what is done to long texts is done to the longest, and they take the time.
LONGEST, SHORTEST = 4, 2
# Rows that a generation before this one vouches for: is the encoder still the one that made them?
OLD_ROWS = 8


def sample_size(rows: int) -> int:
    """How many of `rows` new rows are encoded again.

    >>> [sample_size(n) for n in (5, 32, 45, 169, 1_500, 16_920, 1_000_000)]
    [5, 26, 25, 31, 50, 128, 1953]
    """
    return max(least_of(rows), min(rows, rows // SHARE, max(MOST, rows // BLOCK)))


@cache
def least_of(rows: int) -> int:
    """How many of `rows` miss a fault in a share p of them no more often than LEAST rows of very many do, which is
    (1 - p)^LEAST. Of few rows each one that is looked at leaves fewer to hide among: with m of them wrong n are missed
    with the chance C(rows - m, n) / C(rows, n).

    Up to WHOLE rows are looked at whole: a single wrong one is found.

    >>> [least_of(n) for n in (0, 20, 45, 60, 100_000)]
    [0, 20, 25, 25, 32]
    """
    wrong = [(share, math.floor(share * rows)) for share in HELD_SHARES]

    def enough(size: int) -> bool:
        return all(
            math.comb(rows - many, size) <= (1.0 - share) ** LEAST * math.comb(rows, size) for share, many in wrong
        )

    sizes = (size for size in range(min(rows, WHOLE), min(rows, LEAST)) if enough(size))
    return next(sizes, min(rows, LEAST))


def choose_new(segments: Sequence[Ints], lengths: Ints, rng: np.random.Generator) -> Ints:
    """Some of the new rows, ascending: int64.

    segments : the new rows of each segment, ascending; lengths : int64, the length of the text of each of these rows,
    in that order. Chosen are the first, the middle and the last row of segments (of as many as a third of the sample
    holds), the longest and the shortest texts, and one row drawn from each of as many equal parts of all rows as are
    left: of any block of rows that holds a part, one is looked at.
    """
    rows = np.concatenate([np.empty(0, np.int64), *segments])
    size = sample_size(len(rows))
    if size == len(rows):
        return np.sort(rows)
    by_length = np.argsort(lengths, kind="stable")
    filled = [part for part in segments if len(part)]
    some = rng.permutation(len(filled))[: max(1, size // 9)]
    edges = [filled[i][[0, len(filled[i]) // 2, -1]] for i in some.tolist()]
    by_length = np.concatenate([by_length[-min(LONGEST, size // 8) :], by_length[:SHORTEST]])
    chosen = np.unique(np.concatenate([rows[by_length], *edges]))
    return np.union1d(chosen, spread(np.setdiff1d(rows, chosen), size - len(chosen), rng))


def spread(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    """One row drawn from each of `count` equal parts of `rows`; all where there are no more."""
    if count >= len(rows):
        return rows
    if count <= 0:
        return rows[:0]
    starts = np.arange(count + 1) * len(rows) // count
    return rows[rng.integers(starts[:-1], starts[1:])]


def missed_share(looked_at: int, of: int, chance: float = 0.01) -> float:
    """The share of rows that may be wrong at random places and stay unseen with this chance: (1 - p)^n = chance.

    0 where all were looked at.

    >>> round(missed_share(128, 16_920), 4), missed_share(32, 32)
    (0.0353, 0.0)
    """
    if looked_at >= of:
        return 0.0
    return float(1.0 - chance ** (1.0 / looked_at)) if looked_at else 1.0

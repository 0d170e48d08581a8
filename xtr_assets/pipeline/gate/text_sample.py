"""The sample of rows that is encoded again: few, and drawn so that a fault of many rows meets one of them."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.types import Ints

# Rows of a change that are encoded again: one in thirty of what was encoded, but no fewer than LEAST, which cost a
# second, and MOST while blocks of BLOCK rows allow it: two of each such block, a fifth of a percent of a full build.
# A text costs as much here as in the build: 128 of 16,920 functions are 0.8 % of encoding them.
SHARE, LEAST, MOST, BLOCK = 30, 32, 128, 512
# Texts that are looked at because they are the longest, where tokens are cut and windows are joined; and the shortest.
LONGEST, SHORTEST = 4, 2
# Rows that a generation before this one vouches for: is the encoder still the one that made them?
OLD_ROWS = 8


def sample_size(rows: int) -> int:
    """How many of `rows` new rows are encoded again.

    >>> [sample_size(n) for n in (5, 32, 169, 1_500, 16_920, 1_000_000)]
    [5, 32, 32, 50, 128, 1953]
    """
    return min(rows, max(LEAST, min(rows // SHARE, max(MOST, rows // BLOCK))))


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
    chosen = np.unique(np.concatenate([rows[by_length[-LONGEST:]], rows[by_length[:SHORTEST]], *edges]))
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

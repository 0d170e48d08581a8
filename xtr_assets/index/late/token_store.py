"""MaxSim against the token store: the int8 rows of the documents, read a few thousand tokens at a time."""

from dataclasses import dataclass

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.types import Bytes8, Floats, Ints

# Tokens are brought to float32 and multiplied this many at a time: 2 MB at dim 128, which stays in a core's cache.
SCAN_TOKENS = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Likely:
    """Some tokens of rows: places int64 [m] within each row's part, row after row; counts int64 [n], at least one."""

    places: Ints
    counts: Ints


def stored_maxsim(
    codes: Bytes8,
    fine_codes: Bytes8 | None,
    factors: Floats,
    tokens: RowTokens,
    rows: Ints,
    likely: Likely | None = None,
) -> Floats:
    """Sum over query tokens of `factor * max(product * token scale)`, for stored rows.

    The product of a query token and a document token is that of their integers, `codes`, or where fine codes are given
    of `256 * codes + fine_codes`: exact, whatever the order of addition, then rounded once. So every backend computes
    the same score, and equal documents score the same wherever they lie.

    codes, fine_codes : int8 [t, d]; factors : float32 [t]; rows : int64 [n], ascending, each in some part; likely : the
    tokens that count, None for all. Returns float32 [n].
    """
    coarse = codes.astype(np.float32)
    fine = None if fine_codes is None else fine_codes.astype(np.float32)
    out = np.empty(len(rows), np.float32)
    done = read = 0
    for part in tokens.parts:
        stop = int(np.searchsorted(rows, part.end_row))
        positions = rows[done:stop] - part.base_row
        starts, lengths = part.offsets[positions], part.offsets[positions + 1] - part.offsets[positions]
        if likely is not None:
            lengths = likely.counts[done:stop]
        for first, last in _runs(lengths):
            count = int(lengths[first:last].sum())
            if likely is None:
                stored, scales = _read(part, _together(starts[first:last], lengths[first:last]))
            else:
                stored, scales = _read(part, likely.places[read : read + count])
            read += count
            products = coarse @ stored.T
            if fine is not None:
                products *= np.float32(256)
                products += fine @ stored.T
            products *= scales
            bounds = np.cumsum(lengths[first:last]) - lengths[first:last]
            best = np.maximum.reduceat(products, bounds, axis=1)
            best *= factors[:, None]
            out[done + first : done + last] = best.sum(axis=0, dtype=np.float64)
        done = stop
    return out


def _together(starts: Ints, lengths: Ints) -> Ints | slice:
    """Where some documents lie; a slice where they are neighbours."""
    first, last = int(starts[0]), int(starts[-1] + lengths[-1])
    return slice(first, last) if last - first == int(lengths.sum()) else concatenated_ranges(starts, lengths)


def _read(part: TokenPart, which: Ints | slice) -> tuple[Floats, Floats]:
    """Codes float32 [n, d] and scales float32 [n] of some tokens."""
    if part.scales is None:
        raise InvalidInput("the token store holds floats; encode them with core.token_codec.encode_int8")
    return part.tokens[which].astype(np.float32), part.scales[which].astype(np.float32)


def concatenated_ranges(starts: Ints, lengths: Ints) -> Ints:
    """int64 [sum of lengths]: starts[0], starts[0] + 1, ... for every range, one after the other.

    >>> concatenated_ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    bounds = np.cumsum(lengths)
    numbers: Ints = np.arange(bounds[-1] if len(bounds) else 0) + np.repeat(starts - (bounds - lengths), lengths)
    return numbers


def _runs(lengths: Ints) -> list[tuple[int, int]]:
    """Cuts a sequence of documents into runs of about SCAN_TOKENS tokens, at least one document each."""
    runs, first, held = [], 0, 0
    for index, length in enumerate(lengths.tolist()):
        if held and held + length > SCAN_TOKENS:
            runs.append((first, index))
            first, held = index, 0
        held += length
    if held:
        runs.append((first, len(lengths)))
    return runs

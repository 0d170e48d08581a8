"""MaxSim of several queries with every stored row in integers, and how far that can lie from MaxSim in floats.

The queries are in 16 bits, the rows as they are stored: 2.5 to 10 times as fast as decoding rows for matrix products
(dim 128, ns a stored token on one core: 22 in place of 228 for a query of 6 tokens, 200 in place of 610 for 153 tokens
of 16 queries, 2,460 in place of 5,960 for 1,920 tokens of 200). Where the processor has tiles (AMX), queries of more
than 32 tokens take a third to two thirds of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.types import Bytes8, Floats, Ints
from xtr_assets.index import native
from xtr_assets.index.late.quantize import MAX_DIM, quantize_fine

# Half the distance between 1 and the next float32: what one operation may round by, relatively.
FLOAT_ROUNDING = 2.0**-24
# The largest code of a stored row (core/token_codec.py).
LARGEST_CODE = 127


def scannable(tokens: RowTokens) -> bool:
    """Whether `scan` can read these rows: the extension is there, and each part holds int8 rows with scales."""
    stored = all(part.scales is not None and part.tokens.dtype == np.int8 for part in tokens.parts)
    return stored and tokens.dim <= MAX_DIM and native.available()


@dataclass(frozen=True, slots=True, eq=False)
class ScanQueries:
    """Queries in integers, one after the other.

    codes, fine_codes : int8 [t, d]; factors : float32 [t]; ends : int64 [q], where each query ends
    errors : float64 [q], see `error_bounds`
    """

    codes: Bytes8
    fine_codes: Bytes8
    factors: Floats
    ends: Ints
    errors: npt.NDArray[np.float64]

    @classmethod
    def of(cls, queries: Sequence[Floats]) -> "ScanQueries":
        """queries : float32 [t_i, d] each, t_i >= 1."""
        stacked = np.ascontiguousarray(np.concatenate(queries), np.float32)
        counts = np.array([len(query) for query in queries], np.int64)
        codes, fine_codes, scales = quantize_fine(stacked)
        factors = scales / np.float32(256)
        lost = stacked - (256.0 * codes + fine_codes) * factors[:, None].astype(np.float64)
        # Products of dim terms in floats, and eight operations on the way to either score.
        rounded = (stacked.shape[1] + 8) * FLOAT_ROUNDING * np.linalg.norm(stacked.astype(np.float64), axis=1)
        errors = np.linalg.norm(lost, axis=1) + rounded
        ends = np.cumsum(counts)
        return cls(codes, fine_codes, factors, ends, np.add.reduceat(errors, ends - counts) / counts)

    def error_bounds(self, tokens: RowTokens) -> npt.NDArray[np.float64]:
        """float64 [q]: a row's score by `scan` and MaxSim of it in float32 differ by no more, for certain.

        A query token loses a vector to its 16 bits, of which a row's product is at most its length times the row's. A
        stored row is no longer than its scale times that of a row of largest codes: five times the true length of one,
        which a bound of some 1e-4 can afford.
        """
        # Half floats from zero on are in the order of their bits, which compare thirty times as fast.
        largest = max((int(np.asarray(p.scales).view(np.uint16).max(initial=0)) for p in tokens.parts), default=0)
        scale = float(np.array(largest, np.uint16).view(np.float16))
        bounds: npt.NDArray[np.float64] = self.errors * (LARGEST_CODE * scale * np.sqrt(tokens.dim))
        return bounds


def scan(part: TokenPart, positions: Ints, queries: ScanQueries) -> Floats:
    """MaxSim, divided by the query's tokens, of some documents of a part: float32 [q, n] for positions int64 [n].

    Holds no lock while it computes. Each product is exact and rounded once, so that equal documents score the same.
    """
    found: Floats = native.kernels.scan(
        np.asarray(part.tokens),
        np.asarray(part.scales).view(np.uint16),
        np.asarray(part.offsets),
        queries.codes,
        queries.fine_codes,
        queries.factors,
        queries.ends,
        positions,
        native.fastest(),
    )
    found /= np.diff(queries.ends, prepend=0)[:, None].astype(np.float32)
    return found

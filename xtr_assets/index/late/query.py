"""A query in integers. Every backend starts from these numbers, so that every backend finds the same candidates.

What a centroid says of a query token is a level of 8 bits: the exact int32 product of their integers, brought to one
scale in float32 by two multiplications in a stated order, then rounded. Sums and maxima of integers do not depend on
their order: threads, vector widths and libraries cannot change a result.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.top_k import ranked_columns
from xtr_assets.core.types import Bytes8, Floats, Int32s
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.quantize import quantize_fine

Levels = npt.NDArray[np.uint8]

# The level of similarity 0, and how far above it the longest query token lies with the longest centroid. What is less
# similar than LEVEL_ZERO levels below 0 is worth no more than that: the best token of a document rarely is.
LEVEL_ZERO, LEVEL_SPAN = 64, 191


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Query tokens and their integer forms.

    tokens : float32 [t, d]
    codes : int8 [t, d] with scales float32 [t]: for centroids and for coarse scores against the document store
    fine_codes : int8 [t, d]: `256 * codes + fine_codes`, in steps of scales / 256, is the token in 16 bits
    centroid_factors : float32 [t], from integer products to levels
    """

    tokens: Floats
    codes: Bytes8
    fine_codes: Bytes8
    scales: Floats
    centroid_factors: Floats

    def __len__(self) -> int:
        return len(self.tokens)


def make_query(model: TokenModel, tokens: Floats) -> Query:
    """Quantize query tokens float32 [t, d] against a model."""
    codes, fine_codes, scales = quantize_fine(tokens)
    longest = float(np.sqrt(np.einsum("td,td->t", tokens, tokens).max(initial=0.0))) * model.centroid_norm
    unit = np.float32(LEVEL_SPAN / longest) if longest else np.float32(0)
    return Query(tokens, codes, fine_codes, scales, scales * unit)


def centroid_scores(model: TokenModel, query: Query) -> Floats:
    """float32 [t, C] in levels: exact integer products, times the centroid's scale, times the token's."""
    products = query.codes.astype(np.float32) @ model.centroid_values.T
    products *= model.centroid_scales
    products *= query.centroid_factors[:, None]
    return products


def centroid_levels(scores: Floats) -> Levels:
    """uint8 [C, t] of float32 [t, C] from `centroid_scores`: rounded, LEVEL_ZERO for 0, within 0 to 255."""
    levels = np.clip(np.rint(scores) + np.float32(LEVEL_ZERO), 0, 255)
    return np.ascontiguousarray(levels.T.astype(np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What each query token reads.

    lists : int32 [t, p], the best first, equal ones by ascending number; levels : uint8 [t, p]
    floors : uint8 [t], the level of the best list that is not read, or of the last one where all are
    """

    lists: Int32s
    levels: Levels
    floors: Levels


def best_lists(scores: Floats, levels: Levels, nprobe: int) -> Probes:
    """The nprobe best lists of each query token.

    scores : float32 [t, C] from centroid_scores, of which ties go to the lower list; levels : uint8 [C, t].
    """
    count = scores.shape[1]
    order = ranked_columns(scores, min(nprobe + 1, count)).astype(np.int32)
    found = np.take_along_axis(levels.T, order, axis=1)
    nprobe = min(nprobe, count)
    return Probes(order[:, :nprobe], found[:, :nprobe], found[:, -1])

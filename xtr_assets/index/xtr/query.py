"""A query in integers. Every backend starts from these numbers, so that every backend finds the same candidates.

Candidate scores are fixed-point integers: centroid and residual products are exact int32 sums, brought to one scale in
float32 by two multiplications and one addition in a stated order, then rounded. Sums of integers do not depend on the
order of addition: threads, vector widths and libraries cannot change a result.
"""

from dataclasses import dataclass

import numpy as np

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.types import Bytes8, Floats, Int32s
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.quantize import quantize_fine, quantize_rows

# The similarity of the longest query token with the longest document token, in fixed point.
ONE = 1 << 20
# A query token for which a document was not retrieved gets the score of the best list that was not read, less this
# share of the residuals' root mean square: what an unread list still promises a document. Overlap@10 of the best 100
# candidates with exact search, 4 lists of 3,000 read: .98; XTR's own floor, the last token read, .974; without the
# margin .965, with twice as much .978 (docs/measurements.md, "imputation").
IMPUTATION_MARGIN = 0.25
# Similarities beyond this are cut: 64 times what unit vectors reach, and far from the 32-bit limit.
FIXED_LIMIT = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Query tokens and their integer forms.

    tokens : float32 [t, d]
    codes : int8 [t, d] with scales float32 [t]: for centroids and for coarse scores against the document store
    fine_codes : int8 [t, d]: `256 * codes + fine_codes`, in steps of scales / 256, is the token in 16 bits
    residual_codes : int8 [t, 2 * packed_dim]: the same tokens times the model's residual steps, zero-padded
    centroid_factors, residual_factors : float32 [t], from integer products to fixed point
    margins : float32 [t], the imputation margin in fixed point
    """

    tokens: Floats
    codes: Bytes8
    fine_codes: Bytes8
    scales: Floats
    residual_codes: Bytes8
    centroid_factors: Floats
    residual_factors: Floats
    margins: Floats

    def __len__(self) -> int:
        return len(self.tokens)


def as_tokens(tokens: Floats, dim: int) -> Floats:
    """Query tokens as contiguous float32 [t, d]. Raises InvalidInput, EncoderMismatch."""
    array = np.ascontiguousarray(tokens, np.float32)
    if array.size == 0:
        return np.empty((0, dim), np.float32)
    if array.ndim != 2:
        raise InvalidInput(f"query tokens have shape {array.shape}; pass one query as [tokens, {dim}]")
    if array.shape[1] != dim:
        raise EncoderMismatch(
            f"dim {dim} in the index, {array.shape[1]} in the query; encode the query with the index's encoder"
        )
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InvalidInput(f"query token {bad} holds NaN or infinity; check the encoder")
    return array


def make_query(model: TokenModel, tokens: Floats) -> Query:
    """Quantize query tokens float32 [t, d] against a model."""
    codes, fine_codes, scales = quantize_fine(tokens)
    padded = np.zeros((len(tokens), 2 * model.packed_dim), np.float32)
    padded[:, : model.dim] = tokens * model.residual_scales
    residual_codes, residual_scales = quantize_rows(padded)
    norms = np.sqrt(np.einsum("td,td->t", tokens, tokens))
    longest = float(norms.max(initial=0.0))
    unit = np.float32(ONE / (longest * model.token_norm)) if longest else np.float32(0)
    margins = norms * np.float32(IMPUTATION_MARGIN * model.residual_rms) * unit
    return Query(tokens, codes, fine_codes, scales, residual_codes, scales * unit, residual_scales * unit, margins)


def centroid_scores(model: TokenModel, query: Query) -> Floats:
    """float32 [t, C] in fixed-point units: exact integer products, times the centroid's scale, times the token's."""
    products = query.codes.astype(np.float32) @ model.centroid_values.T
    products *= model.centroid_scales
    products *= query.centroid_factors[:, None]
    return products


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What each query token reads.

    lists : int32 [t, p], ascending in each row; scores : float32 [t, p], the centroid's fixed-point score
    floors : int32 [t], what a query token is given for a document that was not retrieved
    """

    lists: Int32s
    scores: Floats
    floors: Int32s


def best_lists(query: Query, scores: Floats, nprobe: int) -> Probes:
    """The nprobe best lists of each query token, ties to the lower list; scores float32 [t, C] from centroid_scores."""
    tokens, count = scores.shape
    nprobe = min(nprobe, count)
    # The best list that is not read, or the last one that is where all are.
    beyond = min(nprobe + 1, count)
    edges = np.partition(scores, (count - beyond, count - nprobe), axis=1)
    last, following = edges[:, count - nprobe, None], edges[:, count - beyond]
    above, ties = scores > last, scores == last
    # What ties with the last one is taken from the lowest list up, until there are nprobe.
    room = nprobe - above.sum(axis=1, keepdims=True)
    lists = np.nonzero(above | (ties & (np.cumsum(ties, axis=1) <= room)))[1].reshape(tokens, nprobe)
    floors = np.clip(np.rint(following - query.margins), -FIXED_LIMIT, FIXED_LIMIT).astype(np.int32)
    return Probes(lists.astype(np.int32), np.take_along_axis(scores, lists, axis=1), floors)

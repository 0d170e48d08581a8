"""Vectors as an index stores them: float16, finite, addressed by row."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.arguments import any_array
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.row_store import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Halves

Vectors = Floats | Halves | RowVectors


def as_rows(vectors: Vectors) -> RowVectors:
    """RowVectors as they are; an array as one part of float16 from row 0."""
    if isinstance(vectors, RowVectors):
        return vectors
    array = any_array(vectors, "vectors")
    if array.ndim != 2 or not array.shape[1]:
        raise InvalidInput(f"vectors of shape {array.shape}; [n, dim] with dim >= 1 is needed")
    return RowVectors([VectorPart(0, halves(array, array.shape[1]))] if len(array) else [], array.shape[1])


def halves(vectors: npt.NDArray[Any], dim: int) -> Halves:
    """float16 [n, dim], or InvalidInput naming the first row that is not finite in float16, or there alone zero."""
    array = any_array(vectors, "vectors")
    if array.ndim != 2 or array.shape[1] != dim:
        raise InvalidInput(f"dim {dim} in the index, vectors of shape {array.shape}; they must be [n, {dim}]")
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"vectors are {array.dtype}; pass numbers, float32 or float16 [n, {dim}]")
    with np.errstate(over="ignore"):
        stored: Halves = np.ascontiguousarray(array, np.float16)
    finite = np.isfinite(stored).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InvalidInput(f"vector {row} holds NaN, an infinity or a value beyond float16 (65504)")
    if array.dtype != np.float16 and (lost := np.flatnonzero(~stored.any(axis=1) & array.any(axis=1))).size:
        raise InvalidInput(
            f"vector {int(lost[0])} is 0 in float16, whose smallest number is 6e-08; scale vectors to unit length"
        )
    return stored

"""What both indexes, the Searcher and the command line take: one rule and one error for each kind of argument.

Row numbers are whole numbers, a mask is one bool for each row; neither is ever read as the other. Each error names the
value and what to pass instead.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.types import Floats, Ints, Mask

# Results of one query: 12 bytes each, so that 200 MB are asked for at most, before anything is searched.
MOST_RESULTS = 1 << 24


def whole(value: Any, name: str, least: int = 1, most: int | None = None, instead: str = "") -> int:
    """A whole number from `least` to `most` as an int; numpy's integers are whole numbers, True is none.

    >>> whole(np.int32(3), "k")
    3
    """
    # The common case first: every search comes through here.
    if type(value) is not int:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise InvalidInput(f"{name} is {value!r}; pass a whole number{_range(least, most)}{instead}")
        value = int(value)
    if value < least or (most is not None and value > most):
        raise InvalidInput(f"{name} is {value}; pass a whole number{_range(least, most)}{instead}")
    return int(value)


def fits_int64(value: int) -> bool:
    """Whether 64 bits hold a number. `value in range(...)` would count to it where it is not an int itself: an IntEnum,
    one of numpy's.

    >>> fits_int64(2**63 - 1), fits_int64(2**63)
    (True, False)
    """
    return -(2**63) <= value < 2**63


def result_count(k: Any) -> int:
    """How many results a query gets: 1 to MOST_RESULTS."""
    return whole(k, "k", 1, MOST_RESULTS)


def batch_of(queries: Iterable[str]) -> list[str]:
    """The texts of a batch in the order given, read once.

    >>> batch_of(text for text in ("a", "b"))
    ['a', 'b']
    """
    if isinstance(queries, str):
        raise InvalidInput("a batch is one text; pass a list of queries, or use search")
    if not isinstance(queries, Iterable) or (isinstance(queries, np.ndarray) and not queries.ndim):
        raise InvalidInput(f"a batch is a {type(queries).__name__}; pass a list of queries")
    texts = list(queries)
    for i, query in enumerate(texts):
        if not isinstance(query, str):
            raise InvalidInput(f"query {i} is a {type(query).__name__}; queries are text")
    return texts


def chunk_numbers(chunk_ids: Any) -> list[int]:
    """Ids of chunks in the order given, read once. A float is none: beyond 2**53 it is another chunk's.

    >>> chunk_numbers(iter([np.int64(4), 1]))
    [4, 1]
    """
    many = isinstance(chunk_ids, Iterable) and not isinstance(chunk_ids, str | bytes)
    if not many or (isinstance(chunk_ids, np.ndarray) and not chunk_ids.ndim):
        raise InvalidInput(f"chunk_ids is a {type(chunk_ids).__name__}; pass a list of the numbers that hits show")
    given = list(chunk_ids)
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | np.integer):
            raise InvalidInput(f"chunk_id {one!r} is a {type(one).__name__}; pass the whole number that a hit shows")
    return list(map(int, given))


def row_numbers(rows: Any, end_row: int, name: str = "rows") -> Ints:
    """Row numbers as int64 [n] in the order given, each from 0 to end_row - 1. Empty is allowed.

    >>> row_numbers([4, 1], 5).tolist()
    [4, 1]
    """
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise InvalidInput(f"`{name}` is ragged ({error}); pass one list of row numbers") from error
    if array.dtype == np.bool_:
        raise InvalidInput(
            f"`{name}` is a mask, bool {array.shape}; row numbers are needed: pass np.flatnonzero of the mask"
        )
    if array.ndim != 1:
        raise InvalidInput(f"`{name}` is {array.dtype} {array.shape}; pass an integer array of one dimension")
    if not len(array):
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidInput(
            f"`{name}` holds {array[0]!r} ({array.dtype}); row numbers are whole numbers: pass an integer array"
        )
    outside = array[(array < 0) | (array >= end_row)]
    if len(outside):
        raise InvalidInput(f"`{name}` holds {int(outside[0])}; the rows here are 0 to {end_row - 1}")
    return array.astype(np.int64, copy=False)


def distinct_rows(rows: Any, end_row: int, name: str = "rows") -> Ints:
    """`row_numbers` ascending; a row given twice is an error."""
    array = row_numbers(rows, end_row, name)
    unique, counts = np.unique(array, return_counts=True)
    if len(unique) != len(array):
        raise InvalidInput(
            f"`{name}` holds {int(unique[counts > 1][0])} more than once ({len(array) - len(unique)} of {len(array)} "
            "are given again); pass each row once"
        )
    return unique


def row_mask(mask: Any, end_row: int, name: str) -> Mask:
    """A mask: bool [end_row]."""
    checked = boolean_mask(mask, name)
    if len(checked) != end_row:
        raise InvalidInput(f"`{name}` has {len(checked)} entries; bool ({end_row},) is needed, one entry a row")
    return checked


def boolean_mask(mask: Any, name: str) -> Mask:
    """A mask of a length that somebody else knows: bool [n]."""
    if not isinstance(mask, np.ndarray):
        raise InvalidInput(
            f"`{name}` is a {type(mask).__name__}; pass a bool array, one entry a row: mask = np.zeros(rows, bool), "
            "mask[numbers] = True"
        )
    if mask.dtype != np.bool_ or mask.ndim != 1:
        raise InvalidInput(
            f"`{name}` is {mask.dtype} {mask.shape}; pass a bool array, one entry a row: mask = np.zeros(rows, bool), "
            "mask[numbers] = True"
        )
    return mask


def any_array(values: Any, name: str) -> npt.NDArray[Any]:
    """Whatever numpy makes an array of, of its own type. Lists whose lines differ in length are none."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        # What torch says of a tensor that requires a gradient is a RuntimeError.
        raise InvalidInput(f"{name}: not an array of numbers ({error})") from error


def real_array(values: Any, name: str) -> Floats:
    """Numbers as contiguous float32, of any shape: floats of any width and integers are taken, nothing else is."""
    if type(values) is np.ndarray and values.dtype == np.float32 and values.flags.c_contiguous:
        return values
    array = any_array(values, name)
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"{name}: not an array of numbers ({array.dtype} {array.shape}); pass float32")
    with np.errstate(over="ignore"):
        # What is beyond float32 becomes an infinity, which `check_finite` refuses.
        return np.ascontiguousarray(array, np.float32)


def query_vectors(queries: Any, dim: int) -> Floats:
    """Queries of a dense index: finite float32 [q, dim], contiguous; an empty list is no query. Raises EncoderMismatch
    for another dim."""
    array = real_array(queries, "queries")
    if array.ndim == 1 and not array.size:
        # What JSON makes of [0, dim].
        return np.empty((0, dim), np.float32)
    if array.ndim != 2:
        raise InvalidInput(f"queries have shape {array.shape}; pass [n, {dim}]")
    if array.shape[1] != dim:
        raise EncoderMismatch(f"dim {dim} in the index, {array.shape[1]} in the queries; use the index's encoder")
    check_finite(array, "query")
    return array


def query_tokens(tokens: Any, dim: int, name: str = "query") -> Floats:
    """One query of a token index: finite float32 [tokens, dim], contiguous; nothing at all is a query of no tokens."""
    array = real_array(tokens, name)
    if array.size == 0:
        return np.empty((0, dim), np.float32)
    if array.ndim != 2:
        raise InvalidInput(f"{name} has shape {array.shape}; pass [tokens, {dim}] for each query")
    if array.shape[1] != dim:
        raise EncoderMismatch(f"token dim {dim} in the index, {array.shape[1]} in {name}; use the index's encoder")
    check_finite(array, f"{name}, token")
    return array


def token_batch(queries: Any, dim: int) -> list[Floats]:
    """Several queries of a token index, each by `query_tokens`."""
    if isinstance(queries, np.ndarray) and queries.ndim == 2 and queries.size:
        raise InvalidInput(f"queries have shape {queries.shape}; pass a list of [tokens, {dim}] arrays")
    if not isinstance(queries, Iterable) or (isinstance(queries, np.ndarray) and not queries.ndim):
        raise InvalidInput(f"queries are a {type(queries).__name__}; pass a list of [tokens, {dim}] arrays")
    return [query_tokens(query, dim, f"query {number}") for number, query in enumerate(queries)]


def is_token_batch(queries: Any) -> bool:
    """Whether these are several queries [tokens, dim]: an array of three dimensions, or a list of such arrays."""
    if isinstance(queries, np.ndarray):
        return queries.ndim == 3 or (queries.ndim == 1 and queries.dtype == np.object_)
    return isinstance(queries, Sequence) and all(_axes(query) == 2 for query in queries)


def _axes(query: Any) -> int:
    """How many axes something has; lists whose lines differ in length have two, and are refused where they are read."""
    try:
        return np.ndim(query)
    except ValueError:
        return 2


def check_finite(array: Floats, name: str) -> None:
    """Raise InvalidInput naming the first line of float32 [n, d] that holds NaN or an infinity."""
    # The sum of squares is finite where all are, unless it overflows; one product takes half a microsecond.
    flat = array.reshape(-1)
    if math.isfinite(flat.dot(flat)):
        return
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(wrong):
        raise InvalidInput(f"{name} {int(wrong[0])} holds NaN or an infinity; check the encoder")


def check_offsets(offsets: Any, tokens: int, name: str = "offsets", rows: int | None = None) -> Ints:
    """Bounds of documents as int64 [n + 1], from 0 to the number of tokens, each document with at least one token.

    rows : how many documents there are, where that is known. Raises InvalidInput naming the first row at fault.
    """
    array = any_array(offsets, name)
    if array.dtype.kind not in "iu" or array.ndim != 1 or not len(array):
        shown = f"holds {array[0]!r}, " if array.ndim == 1 and len(array) else "is "
        raise InvalidInput(f"{name} {shown}{array.dtype} {array.shape}; pass int64 [rows + 1], whole numbers")
    if rows is not None and len(array) != rows + 1:
        raise InvalidInput(f"{name} has {len(array)} entries; int64 [{rows + 1}] is needed for {rows} rows")
    bounds = np.ascontiguousarray(array, np.int64)
    if bounds[0] != 0 or bounds[-1] != tokens:
        raise InvalidInput(f"{name} go from {bounds[0]} to {bounds[-1]}, the tokens from 0 to {tokens}")
    lengths = np.diff(bounds)
    if (wrong := np.flatnonzero(lengths < 1)).size:
        row = int(wrong[0])
        what = "is empty" if lengths[row] == 0 else "ends before it begins"
        raise InvalidInput(
            f"row {row} {what} ({name} {bounds[row]} to {bounds[row + 1]}); every document needs at least one token"
        )
    return bounds


def _range(least: int, most: int | None) -> str:
    return f" of at least {least}" if most is None else f" from {least} to {most}"

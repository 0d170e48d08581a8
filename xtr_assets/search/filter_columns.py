"""The columns a filter compares: typed, evaluated by Arrow's kernels, metadata parsed once per distinct object."""

import dataclasses
import json
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import compress
from typing import Any, Protocol
from unicodedata import normalize

import numpy as np
import pyarrow as pa

from xtr_assets.core.arguments import fits_int64
from xtr_assets.core.json_document import read_json
from xtr_assets.core.path_glob import glob_regex
from xtr_assets.core.types import Ints, Mask
from xtr_assets.core.where_syntax import Compare, Condition, Every, Not, Value
from xtr_assets.search.metadata_shape import ShapedFields, shaped_fields

_ORDER = {"gt": "greater", "gte": "greater_equal", "lt": "less", "lte": "less_equal"}
_DECODER = json.JSONDecoder()
# Rows of a segment of which it is seen whether they share their metadata.
LOOKED_AT = 4_096
# Metadata that is read at once: an array of strings ends at 2 GiB.
PIECE_BYTES = 1 << 30
_PYTHON_ORDER = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


@cache
def _compute() -> Any:
    """Arrow's kernels: 30 CPU ms of import, which a search without a filter need not pay."""
    import pyarrow.compute

    return pyarrow.compute


class Column(Protocol):
    """Values that one comparison can be made with."""

    def compare(self, compare: Compare) -> Mask:
        """bool [rows] of the column."""


def holds(condition: Condition, column: Column, rows: int) -> Mask:
    """Where the condition holds: bool [rows]."""
    if isinstance(condition, Compare):
        return column.compare(condition)
    if isinstance(condition, Not):
        return ~holds(condition.condition, column, rows)
    assert isinstance(condition, Every)
    matching = np.ones(rows, np.bool_)
    for part in condition.conditions:
        matching &= holds(part, column, rows)
    return matching


class IntegerColumn:
    """64-bit integers, never null. Compared as integers: no value goes through a double, which is exact to 2**53."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        self._values = _compute().cast(values, pa.int64())

    def compare(self, compare: Compare) -> Mask:
        wanted = numbers(compare.values)
        if compare.operator == "in":
            # A float that is no whole number equals no integer; one that is whole is exactly that integer.
            whole = [int(value) for value in wanted if value == math.floor(value) and fits_int64(int(value))]
            return _mask(_compute().is_in(self._values, pa.array(whole, pa.int64())))
        if not wanted:
            return _none(self._values)
        # x > 2.5 is x > 2, x >= 2.5 is x >= 3, x < 2.5 is x < 3, x <= 2.5 is x <= 2.
        bound = (math.floor if compare.operator in ("gt", "lte") else math.ceil)(wanted[0])
        if not fits_int64(bound):
            return np.full(len(self._values), (bound < 0) == (compare.operator in ("gt", "gte")))
        return _mask(getattr(_compute(), _ORDER[compare.operator])(self._values, pa.scalar(bound, pa.int64())))


class DoubleColumn:
    """64-bit floats, never null; -0.0 and 0.0 are equal, NaN is equal to nothing and in no range."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        # Arrow's is_in compares bits: adding zero makes -0.0 the zero that everybody asks for.
        self._values = _compute().add(values, 0.0)

    def compare(self, compare: Compare) -> Mask:
        wanted = numbers(compare.values)
        if compare.operator == "in":
            # An integer that no double holds is equal to no double.
            equal = [double(value) + 0.0 for value in wanted if double(value) == value]
            return _mask(_compute().is_in(self._values, pa.array(equal, pa.float64())))
        if not wanted:
            return _none(self._values)
        bound, name = double(wanted[0]), str(compare.operator)
        # Where the integer lies between two doubles, the one it is rounded to stands beside it, on a known side.
        if bound > wanted[0]:
            name = {"gt": "gte", "lte": "lt"}.get(name, name)
        elif bound < wanted[0]:
            name = {"gte": "gt", "lt": "lte"}.get(name, name)
        return _mask(getattr(_compute(), _ORDER[name])(self._values, bound))


class WideIntegerColumn:
    """Integers beyond 64 bits, which JSON has and Arrow has not: compared one by one, as Python compares numbers."""

    def __init__(self, values: Sequence[int]) -> None:
        self._values = values

    def compare(self, compare: Compare) -> Mask:
        wanted = numbers(compare.values)
        if compare.operator == "in":
            return np.array([value in wanted for value in self._values], np.bool_)
        holds_for = _PYTHON_ORDER[compare.operator]
        return np.array([bool(wanted) and holds_for(value, wanted[0]) for value in self._values], np.bool_)


class TextColumn:
    """Strings, never null; dictionary-encoded or not."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        self._values = values

    def compare(self, compare: Compare) -> Mask:
        wanted = [value for value in compare.values if isinstance(value, str)]
        values = self._values
        if compare.operator == "in":
            return _mask(_compute().is_in(values, pa.array(wanted, pa.string())))
        if not wanted:
            return _none(values)
        if pa.types.is_dictionary(values.type):
            values = _compute().cast(values, pa.string())
        if compare.operator == "glob":
            return _mask(_compute().match_substring_regex(values, rf"\A{glob_regex(wanted[0])}\z"))
        if compare.operator == "prefix":
            return _mask(_compute().starts_with(values, wanted[0]))
        return _mask(getattr(_compute(), _ORDER[compare.operator])(values, wanted[0]))


class PathColumn:
    """Paths, never null: composed (NFC) for comparing, as the patterns of a source are; a Mac decomposes its names."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        plain = _compute().cast(values, pa.string()) if pa.types.is_dictionary(values.type) else values
        self._texts = TextColumn(_compute().utf8_normalize(plain, form="NFC"))

    def compare(self, compare: Compare) -> Mask:
        composed = [normalize("NFC", one) if isinstance(one, str) else one for one in compare.values]
        return self._texts.compare(dataclasses.replace(compare, values=tuple(composed)))


class FieldColumn:
    """One metadata field over the distinct metadata of a segment: its values by type, each with its owner.

    values : of the field, lists taken apart; owners : int64 [n], the distinct object that holds each; shaped : owners
    and values, strings or 64-bit integers, that Arrow read.
    """

    def __init__(
        self, values: Sequence[Any], owners: Ints, distinct: int, shaped: tuple[Ints, pa.Array] | None = None
    ) -> None:
        self._distinct = distinct
        by_type = _by_type(values, owners)
        self._absent = np.ones(distinct, np.bool_)
        for kind, (held_by, _) in by_type.items():
            if kind is not type(None):
                self._absent[held_by] = False
        nothing: tuple[Ints, Sequence[Any]] = (np.empty(0, np.int64), ())
        whole, integers = by_type.get(int, nothing)
        narrow = np.fromiter(map(fits_int64, integers), np.bool_, len(integers))
        of_doubles, doubles = by_type.get(float, nothing)
        self._numbers: tuple[tuple[Ints, Column], ...] = (
            (whole[narrow], IntegerColumn(pa.array(list(compress(integers, narrow)), pa.int64()))),
            (whole[~narrow], WideIntegerColumn(list(compress(integers, ~narrow)))),
            (of_doubles, DoubleColumn(pa.array(doubles, pa.float64()))),
        )
        of_texts, texts = by_type.get(str, nothing)
        self._texts: tuple[tuple[Ints, Column], ...] = ((of_texts, TextColumn(_text_array(texts))),)
        if shaped is not None:
            self._absent[shaped[0]] = False
            if pa.types.is_string(shaped[1].type):
                self._texts += ((shaped[0], TextColumn(shaped[1])),)
            else:
                self._numbers += ((shaped[0], IntegerColumn(shaped[1])),)
        of_truths, truths = by_type.get(bool, nothing)
        true = np.array(truths, np.bool_)
        self._truth_owners = {True: of_truths[true], False: of_truths[~true]}

    def compare(self, compare: Compare) -> Mask:
        """A list holds when one of its elements does."""
        matching = np.zeros(self._distinct, np.bool_)
        kinds = {_kind(value) for value in compare.values}
        if "text" in kinds:
            for owners, texts in self._texts:
                matching[owners[texts.compare(compare)]] = True
        if "number" in kinds:
            for owners, column in self._numbers:
                matching[owners[column.compare(compare)]] = True
        for wanted in (True, False):
            if any(value is wanted for value in compare.values):
                matching[self._truth_owners[wanted]] = True
        if "null" in kinds:
            matching |= self._absent
        return matching


class MetadataColumns:
    """The metadata column of a segment, each distinct JSON object parsed once; where most rows have one of their own,
    each row's: to find that they differ takes longer than to read them (a million: 0.27 CPU s and 0.18)."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._pieces = [_MetadataPiece(piece) for piece in pieces(column)]
        self._names = frozenset[str]().union(*(piece.columns for piece in self._pieces))

    @property
    def fields(self) -> Iterable[str]:
        """Names of the fields that any row has."""
        return self._names

    def matches(self, name: str, condition: Condition) -> Mask:
        """bool [rows]; a field that no row of this segment has is absent everywhere."""
        return np.concatenate([piece.matches(name, condition) for piece in self._pieces])


def pieces(column: pa.ChunkedArray) -> list[pa.Array]:
    """The rows of a column of strings in as few arrays as may be, each of at most PIECE_BYTES or one batch."""
    found: list[list[pa.Array]] = [[]]
    room = PIECE_BYTES
    for chunk in column.chunks:
        if found[-1] and chunk.nbytes > room:
            found.append([])
            room = PIECE_BYTES
        found[-1].append(chunk)
        room -= chunk.nbytes
    return [pa.chunked_array(chunks, column.type).combine_chunks() for chunks in found]


class _MetadataPiece:
    """The metadata of neighbouring rows."""

    def __init__(self, texts: pa.Array) -> None:
        objects_of_rows, self._distinct_of_row = _distinct(texts)
        self._distinct = len(objects_of_rows)
        shaped = shaped_fields(objects_of_rows)
        others = objects_of_rows.take(pa.array(shaped.rest)) if len(shaped.owners) else objects_of_rows
        objects: list[dict[str, Any]] = [_parsed(text) for text in others.to_pylist()]
        names = set(shaped.fields).union(*objects)
        self.columns = {name: self._column(name, objects, shaped) for name in names}

    def _column(self, name: str, objects: Sequence[Mapping[str, Any]], shaped: ShapedFields) -> FieldColumn:
        owners = shaped.rest[np.fromiter((name in one for one in objects), np.bool_, len(objects))]
        values = [one[name] for one in objects if name in one]
        if list in set(map(type, values)):
            lists = [value if isinstance(value, list) else [value] for value in values]
            owners = np.repeat(owners, np.fromiter(map(len, lists), np.int64, len(lists)))
            values = [value for one in lists for value in one]
        held = shaped.fields.get(name)
        return FieldColumn(values, owners, self._distinct, None if held is None else (shaped.owners, held))

    def matches(self, name: str, condition: Condition) -> Mask:
        """bool [rows]"""
        column = self.columns.get(name) or FieldColumn((), np.empty(0, np.int64), self._distinct)
        matching = holds(condition, column, self._distinct)
        return matching if self._distinct_of_row is None else matching[self._distinct_of_row]


def _distinct(texts: pa.Array) -> tuple[pa.Array, Ints | None]:
    """(the different texts, int64 [rows] which of them each row has); or the texts themselves and None, where more than
    half of some rows, spread over all, have different ones."""
    some = np.linspace(0, max(len(texts) - 1, 0), min(len(texts), LOOKED_AT)).astype(np.int64)
    if len(texts) > LOOKED_AT and 2 * len(texts.take(pa.array(some)).unique()) > len(some):
        return texts, None
    encoded = _compute().dictionary_encode(texts)
    return encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)


def _kind(value: Value) -> str:
    kinds: Mapping[type, str] = {str: "text", bool: "truth", int: "number", float: "number", type(None): "null"}
    return kinds[type(value)]


def numbers(values: Iterable[Value]) -> list[int | float]:
    """The numbers among the values of a comparison; truth values are none."""
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def double(value: int | float) -> float:
    """The nearest double; beyond all of them infinite, which lies on the right side of every finite one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _parsed(text: str) -> Any:
    """`read_json` of one of very many texts; most are JSON from their first character to their last."""
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return read_json(text)
    return value if end == len(text) else read_json(text)


def _by_type(values: Sequence[Any], owners: Ints) -> dict[type, tuple[Ints, Sequence[Any]]]:
    """By the type of a value, the owners and values of that type, in order."""
    kinds = set(map(type, values))
    if len(kinds) < 2:
        return dict.fromkeys(kinds, (owners, values))
    found: dict[type, tuple[Ints, Sequence[Any]]] = {}
    for kind in kinds:
        of_kind = np.fromiter((type(value) is kind for value in values), np.bool_, len(values))
        found[kind] = owners[of_kind], list(compress(values, of_kind))
    return found


def _text_array(texts: Sequence[str]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([_whole_characters(text) for text in texts], pa.string())


def _whole_characters(text: str) -> str:
    """JSON may escape half of a surrogate pair, which Arrow cannot hold; U+FFFD stands for it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mask(matching: pa.ChunkedArray | pa.Array) -> Mask:
    return np.asarray(_compute().fill_null(matching, False), np.bool_)


def _none(values: pa.ChunkedArray | pa.Array) -> Mask:
    return np.zeros(len(values), np.bool_)

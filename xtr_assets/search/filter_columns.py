"""The columns a filter compares: typed, evaluated by Arrow's kernels, metadata parsed once per distinct object."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.types import Ints, Mask
from xtr_assets.core.where_syntax import INT64, Compare, Condition, Every, Not, Value, glob_regex

_ORDER = {"gt": pc.greater, "gte": pc.greater_equal, "lt": pc.less, "lte": pc.less_equal}


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


class NumberColumn:
    """Integers or doubles, never null."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        self._values = values

    def compare(self, compare: Compare) -> Mask:
        wanted = [value for value in compare.values if isinstance(value, int | float) and not isinstance(value, bool)]
        operands = _numbers(wanted)
        values = self._values
        if values.type != operands.type:
            # One side is floating: both are, as in Python, but for integers beyond 2**53.
            values, operands = pc.cast(values, pa.float64(), safe=False), pc.cast(operands, pa.float64(), safe=False)
        if compare.operator == "in":
            return _mask(pc.is_in(values, operands))
        return _mask(_ORDER[compare.operator](values, operands[0])) if len(operands) else _none(values)


class TextColumn:
    """Strings, never null; dictionary-encoded or not."""

    def __init__(self, values: pa.ChunkedArray | pa.Array) -> None:
        self._values = values

    def compare(self, compare: Compare) -> Mask:
        wanted = [value for value in compare.values if isinstance(value, str)]
        values = self._values
        if compare.operator == "in":
            return _mask(pc.is_in(values, pa.array(wanted, pa.string())))
        if not wanted:
            return _none(values)
        if pa.types.is_dictionary(values.type):
            values = pc.cast(values, pa.string())
        if compare.operator == "glob":
            return _mask(pc.match_substring_regex(values, rf"\A{glob_regex(wanted[0])}\z"))
        if compare.operator == "prefix":
            return _mask(pc.starts_with(values, wanted[0]))
        return _mask(_ORDER[compare.operator](values, wanted[0]))


class FieldColumn:
    """One metadata field over the distinct metadata of a segment: its values by type, each with its owner."""

    def __init__(self, values: Sequence[tuple[int, Any]], distinct: int) -> None:
        self._distinct = distinct
        self._absent = np.ones(distinct, np.bool_)
        self._absent[[owner for owner, value in values if value is not None]] = False
        numbers = [(o, v) for o, v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        texts = [(o, v) for o, v in values if isinstance(v, str)]
        truths = [(o, v) for o, v in values if isinstance(v, bool)]
        self._number_owners = _owners(numbers)
        self._numbers = NumberColumn(_numbers([value for _, value in numbers]))
        self._text_owners = _owners(texts)
        self._texts = TextColumn(pa.array([v for _, v in texts], pa.string()))
        self._truth_owners = {wanted: _owners((o, v) for o, v in truths if v is wanted) for wanted in (True, False)}

    def compare(self, compare: Compare) -> Mask:
        """A list holds when one of its elements does."""
        matching = np.zeros(self._distinct, np.bool_)
        kinds = {_kind(value) for value in compare.values}
        if "text" in kinds:
            matching[self._text_owners[self._texts.compare(compare)]] = True
        if "number" in kinds:
            matching[self._number_owners[self._numbers.compare(compare)]] = True
        for wanted in (True, False):
            if any(value is wanted for value in compare.values):
                matching[self._truth_owners[wanted]] = True
        if "null" in kinds:
            matching |= self._absent
        return matching


class MetadataColumns:
    """The metadata column of a segment, each distinct JSON object parsed once."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        encoded = pc.dictionary_encode(column.combine_chunks())
        self._distinct_of_row: Ints = encoded.indices.to_numpy().astype(np.int64)
        self._distinct = len(encoded.dictionary)
        values: dict[str, list[tuple[int, Any]]] = {}
        for owner, text in enumerate(encoded.dictionary.to_pylist()):
            for name, value in json.loads(text).items():
                flat = value if isinstance(value, list) else [value]
                values.setdefault(name, []).extend((owner, element) for element in flat)
        self._columns = {name: FieldColumn(found, self._distinct) for name, found in values.items()}

    @property
    def fields(self) -> Iterable[str]:
        """Names of the fields that any row has."""
        return self._columns

    def matches(self, name: str, condition: Condition) -> Mask:
        """bool [rows]; a field that no row of this segment has is absent everywhere."""
        column = self._columns.get(name) or FieldColumn((), self._distinct)
        matching: Mask = holds(condition, column, self._distinct)[self._distinct_of_row]
        return matching


def _kind(value: Value) -> str:
    kinds: Mapping[type, str] = {str: "text", bool: "truth", int: "number", float: "number", type(None): "null"}
    return kinds[type(value)]


def _numbers(values: Sequence[int | float]) -> pa.Array:
    """int64 where all are, else double; JSON has integers of any size, and those beyond a double are infinite here."""
    if all(isinstance(value, int) and value in INT64 for value in values):
        return pa.array(values, pa.int64())
    return pa.array([_double(value) for value in values], pa.float64())


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value > 0 or -1)


def _owners(values: Iterable[tuple[int, Any]]) -> Ints:
    return np.array([owner for owner, _ in values], np.int64)


def _mask(matching: pa.ChunkedArray | pa.Array) -> Mask:
    return np.asarray(pc.fill_null(matching, False), np.bool_)


def _none(values: pa.ChunkedArray | pa.Array) -> Mask:
    return np.zeros(len(values), np.bool_)

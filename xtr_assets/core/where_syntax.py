"""`where` filters as values: parsed, checked and in one canonical form. Evaluating them is search/filter_masks.py's.

A filter maps columns to conditions, all of which must hold::

    {"source": "stdlib",                          equal
     "kind": ["function", "method"],              one of (the short form of {"in": [...]})
     "path": {"glob": "asyncio/*"},               as core/path_glob.py says
     "symbol": {"not": {"prefix": "_"}},          not, around any condition
     "start_line": {"gte": 10, "lt": 500},        several operators: all of them
     "year": {"gt": 2019}}                        any other name is a metadata field
"""

import json
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from xtr_assets.core.arguments import fits_int64
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.path_glob import glob_regex

Value = str | int | float | bool | None
Operator = Literal["in", "glob", "prefix", "gt", "gte", "lt", "lte"]
OPERATORS: tuple[str, ...] = ("not", *get_args(Operator))

TEXT_COLUMNS = ("source", "path", "symbol", "kind")
INTEGER_COLUMNS = ("part", "start_line", "end_line", "chunk_id")
COLUMNS = TEXT_COLUMNS + INTEGER_COLUMNS

# `metadata.kind` is the metadata field `kind` where a column of the same name would win.
METADATA_PREFIX = "metadata."

# A value of a type as one of exactly this type: `str(member)` of an enumeration may be its name.
_PLAIN: Mapping[type, Callable[[Any], Any]] = {str: str.__str__, int: int.__int__, float: float.__float__}

# What a filter may hold. Paths end at 4,096 bytes on Linux, so a longer text matches none; RE2 takes globs of that
# length (of asterisks alone too) in 30 ms at most. JSON numbers end at 1.8e308. A person
# writes two levels of "not".
MAX_TEXT = 4096
MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_INTEGER = 2**1024


@dataclass(frozen=True, slots=True)
class Compare:
    """One operator with its operands: several for "in" (None in it: the field is absent or null), else one."""

    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Every row for which the condition does not hold, rows without the field included."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """All of the conditions."""

    conditions: tuple["Condition", ...]


Condition = Compare | Not | Every


@dataclass(frozen=True, slots=True)
class Where:
    """A parsed filter: conditions by column, sorted; equal filters have the same `canonical` text, a cache key."""

    columns: tuple[tuple[str, Condition], ...]
    canonical: str

    @classmethod
    def of(cls, columns: Sequence[tuple[str, Condition]]) -> "Where":
        return cls(tuple(columns), json.dumps([[column, _plain(condition)] for column, condition in columns]))

    def parts(self) -> "list[Where]":
        """A filter for each column: all of them hold where this one does."""
        return [Where.of([one]) for one in self.columns]


def parse_where(where: Mapping[str, Any]) -> Where:
    """Read the public form. Raises InvalidInput that names the column, what was found and what is allowed."""
    if not isinstance(where, Mapping):
        raise InvalidInput(f'where is a {type(where).__name__}; use a mapping such as {{"source": "stdlib"}}')
    columns = []
    for column in sorted(where, key=str):
        if not isinstance(column, str):
            raise InvalidInput(f"where has the column {column!r}; column names are text")
        _check_text("a column's name", column)
        condition = _condition(column, where[column], MAX_DEPTH)
        _check_types(column, condition)
        columns.append((column, condition))
    return Where.of(columns)


def _condition(column: str, given: Any, depth: int) -> Condition:
    if depth == 0:
        raise InvalidInput(f"where[{column!r}] nests conditions deeper than {MAX_DEPTH}; leave out pairs of not")
    if isinstance(given, Mapping):
        if not given:
            raise InvalidInput(f"where[{column!r}] is empty; give a value or one of the operators {_names(OPERATORS)}")
        conditions = tuple(_operation(column, key, given[key], depth - 1) for key in sorted(given, key=str))
        return conditions[0] if len(conditions) == 1 else Every(conditions)
    if (operands := _listed(given)) is not None:
        return _any_of(column, operands)
    return Compare("in", (_value(column, given),))


def _listed(given: Any) -> list[Any] | None:
    """What is listed, None where this is one value. Of an array its own elements: `tolist` makes numbers of times."""
    several = isinstance(given, list | tuple | set | frozenset) or (isinstance(given, np.ndarray) and given.ndim > 0)
    return list(given) if several else None


def _operation(column: str, operator: Any, operand: Any, depth: int) -> Condition:
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise InvalidInput(f"where[{column!r}] has the operator {operator!r}; use one of {_names(OPERATORS)}")
    if operator == "not":
        return Not(_condition(column, operand, depth))
    if operator == "in":
        if (operands := _listed(operand)) is None:
            raise InvalidInput(f'where[{column!r}]["in"] is {operand!r}; give a list of values')
        return _any_of(column, operands)
    value = _value(column, operand)
    if operator in ("glob", "prefix"):
        if not isinstance(value, str):
            raise InvalidInput(f"where[{column!r}][{operator!r}] is {value!r}; give text")
        if operator == "glob":
            _compilable(column, value)
    elif value is None or isinstance(value, bool):
        raise InvalidInput(f"where[{column!r}][{operator!r}] is {value!r}; give a number or text")
    return Compare(cast(Operator, operator), (value,))


def _any_of(column: str, operands: Sequence[Any]) -> Compare:
    if len(operands) > MAX_VALUES:
        raise InvalidInput(
            f"where[{column!r}] lists {len(operands)} values, at most {MAX_VALUES} are taken; ask in several searches"
        )
    # A list of ids is long: 2,000 take 1 CPU ms so, and 6 as JSON. (Of True the type is bool.)
    whole = all(type(operand) is int and abs(operand) < MAX_INTEGER for operand in operands)
    values = {str(operand): operand for operand in operands} if whole else _by_json(column, operands)
    return Compare("in", tuple(values[key] for key in sorted(values)))


def _by_json(column: str, operands: Sequence[Any]) -> dict[str, Value]:
    return {json.dumps(value): value for value in (_value(column, operand) for operand in operands)}


def _value(column: str, given: Any) -> Value:
    # numpy scalars come out of arrays and data frames; of a time `item` may make its nanoseconds, and None of NaT.
    one = isinstance(given, np.generic | np.ndarray) and given.ndim == 0 and given.dtype.kind not in "mM"
    value = given.item() if one else given
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"where[{column!r}] compares with {value!r}; use a finite number")
    if type(value) not in (str, int, float, bool):
        # Members of an enumeration, and numpy's texts: what evaluates a filter goes by the plain type.
        value = next((plain(value) for kind, plain in _PLAIN.items() if isinstance(value, kind)), value)
    if isinstance(value, str):
        _check_text(f"where[{column!r}]", value)
    elif isinstance(value, int) and abs(value) >= MAX_INTEGER:
        raise InvalidInput(
            f"where[{column!r}] compares with an integer of {value.bit_length()} bits; use less than 1024"
        )
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidInput(
        f"where[{column!r}] compares with {reprlib.repr(value)}, a {type(value).__name__}; use text (a date as ISO "
        f"text), numbers, true or false, null, lists of them, or the operators {_names(OPERATORS)}"
    )


def _check_text(where: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"{where} has {len(text)} characters, at most {MAX_TEXT} are taken; give a shorter text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{where} is {text!r}, half of a character (a surrogate); give Unicode text") from error


def _check_types(column: str, condition: Condition) -> None:
    """Columns have one type and are never null: comparing them with another is a mistake, not an empty result."""
    if isinstance(condition, Not):
        _check_types(column, condition.condition)
    elif isinstance(condition, Every):
        for part in condition.conditions:
            _check_types(column, part)
    elif column in TEXT_COLUMNS:
        for value in condition.values:
            if not isinstance(value, str):
                raise InvalidInput(f"where[{column!r}] compares with {value!r}; the column holds text")
    elif column in INTEGER_COLUMNS:
        for value in condition.values:
            if isinstance(value, bool) or not isinstance(value, int) or not fits_int64(value):
                raise InvalidInput(f"where[{column!r}] compares with {value!r}; the column holds 64-bit integers")


def _plain(condition: Condition) -> Any:
    if isinstance(condition, Compare):
        return [condition.operator, list(condition.values)]
    if isinstance(condition, Not):
        return ["not", _plain(condition.condition)]
    return ["every", [_plain(part) for part in condition.conditions]]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)


def _compilable(column: str, pattern: str) -> None:
    try:
        glob_regex(pattern)
    except ValueError as error:
        raise InvalidInput(f"where[{column!r}] has the glob {pattern!r}: {error}") from error

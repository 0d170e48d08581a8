"""What a filter means, worked out row by row from docs/searching.md: no code of the search takes part.

Search parses filters into values, makes regular expressions of globs and lets Arrow compare columns. Here a mapping is
read as it is written, and a glob is walked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unicodedata import normalize

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.path_patterns import fits

Row = Mapping[str, Any]
# Of the values that a row holds under a name.
Test = Callable[[Sequence[Any]], bool]
# Columns of a chunk. Any other name is a field of its metadata, and so is one that begins with `metadata.`.
COLUMNS = ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "chunk_id")
FIELD = "metadata."
# What is equal to another value, or not.
PLAIN = (str, int, float)


class HeldRows:
    """Rows that filters are asked of: columns by name, `metadata` as an object. A condition is worked out once for all
    rows that hold the same.

    >>> row = {"path": "a/b.txt", "start_line": 3, "metadata": {"year": 2019, "tags": ["x", "y"]}}
    >>> rows = HeldRows({7: row, 5: row})
    >>> rows.passing({"path": {"glob": "a/*.txt"}, "start_line": {"gte": 3, "lt": 9}, "tags": "y"}).tolist()
    [5, 7]
    >>> [len(rows.passing(one)) for one in ({"year": {"not": 2019}}, {"month": None}, {"year": "2019"})]
    [0, 2, 0]
    """

    def __init__(self, rows: Mapping[int, Row]) -> None:
        self._numbers: Ints = np.array(sorted(rows), np.int64)
        self._rows = [rows[number] for number in self._numbers.tolist()]
        self._columns: dict[str, tuple[list[list[Any]], Ints]] = {}

    def passing(self, where: Mapping[str, Any]) -> Ints:
        """int64: the rows of which every condition holds, ascending."""
        kept = np.ones(len(self._rows), np.bool_)
        for column, asked in where.items():
            condition = _composed(asked) if column == "path" else asked
            different, which = self._column(column)
            meets = _meets(condition)
            kept &= np.array([meets(values) for values in different], np.bool_)[which]
        return self._numbers[kept]

    def _column(self, column: str) -> tuple[list[list[Any]], Ints]:
        """(what different rows hold under a name, int64 [rows] which of it each holds)"""
        if column not in self._columns:
            held = [_values(column, row) for row in self._rows]
            known: dict[Any, int] = {}
            # 1, 1.0 and True are one key, and not alike.
            which = [known.setdefault(repr([(type(one), one) for one in values]), len(known)) for values in held]
            by_number = dict(zip(which, held, strict=True))
            self._columns[column] = [by_number[at] for at in range(len(known))], np.array(which, np.int64)
        return self._columns[column]


def _composed(asked: Any) -> Any:
    """A condition on a path, or the path itself, in NFC: both spellings of an accent are one name."""
    if isinstance(asked, Mapping):
        return {operator: _composed(operand) for operator, operand in asked.items()}
    if isinstance(asked, list | tuple):
        return [_composed(one) for one in asked]
    return normalize("NFC", asked) if isinstance(asked, str) else asked


def glob_matches(pattern: str, text: str) -> bool:
    """Part by part, as docs/configuration.md says: `**` as a part is any number of them, of the last ones at least one.

    >>> [glob_matches("a/**/*.txt", text) for text in ("a/b.txt", "a/b/c.txt", "b/a/b.txt", "a/b.txti")]
    [True, True, False, False]
    """
    *folders, last = pattern.split("/")
    return fits((*folders, "**", "*") if last == "**" else (*folders, last), tuple(text.split("/")))


def _values(column: str, row: Row) -> list[Any]:
    """What a row holds under a name: one value, those of a list, or none."""
    if column in COLUMNS:
        return [_composed(row[column]) if column == "path" else row[column]]
    held = row["metadata"].get(column.removeprefix(FIELD))
    values = [one for one in (held if isinstance(held, list) else [held]) if one is not None]
    return [whole_characters(one) if isinstance(one, str) else one for one in values]


def whole_characters(text: str) -> str:
    """U+FFFD in place of each half of a surrogate pair, which JSON may escape and UTF-8 cannot hold.

    >>> whole_characters("a\\ud800b") == "a\\ufffdb"
    True
    """
    return "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text)


def _meets(condition: Any) -> Test:
    """Whether values meet a condition. What does not depend on the values is worked out once."""
    if isinstance(condition, Mapping):
        tests = [_operates(operator, operand) for operator, operand in condition.items()]
        return lambda values: all(test(values) for test in tests)
    if isinstance(condition, list):
        return _one_of(condition)
    if condition is None:
        return lambda values: not values
    kind = _kind(condition)
    return lambda values: any(one == condition and _kind(one) == kind for one in values)


def _one_of(conditions: Sequence[Any]) -> Test:
    """One condition of several. Plain values, of which there may be thousands, are looked up."""
    plain = frozenset((_kind(one), one) for one in conditions if isinstance(one, PLAIN))
    tests = [_meets(one) for one in conditions if not isinstance(one, PLAIN)]

    def met(values: Sequence[Any]) -> bool:
        held = ((_kind(one), one) for one in values if isinstance(one, PLAIN))
        return not plain.isdisjoint(held) or any(test(values) for test in tests)

    return met


def _operates(operator: str, operand: Any) -> Test:
    if operator == "not":
        unmet = _meets(operand)
        return lambda values: not unmet(values)
    if operator == "in":
        return _meets(list(operand))
    kind, compare = _kind(operand), _COMPARED[operator]
    return lambda values: any(_kind(one) == kind and compare(one, operand) for one in values)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "glob": lambda one, pattern: glob_matches(pattern, one),
    "prefix": lambda one, begin: bool(one[: len(begin)] == begin),
    "gt": lambda one, bound: bool(one > bound),
    "gte": lambda one, bound: bool(one >= bound),
    "lt": lambda one, bound: bool(one < bound),
    "lte": lambda one, bound: bool(one <= bound),
}


def _kind(value: Any) -> str:
    """Text is never equal to a number, nor `true` to 1. An object, or a list in a list, is like nothing."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "other"

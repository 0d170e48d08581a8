"""What chunk tables and ID maps must be: rules of columns, looked at by Arrow.

Text hashes are compared with the texts by `_hash_problems`, which is what they are for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.ids import text_hash
from xtr_assets.core.types import encoded_text

# Problems that one report carries: enough to see the pattern, few enough to read.
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that does not hold: which column, which check, and a value that breaks it."""

    column: str
    check: str
    case: str

    def __str__(self) -> str:
        return f"{self.column}: {self.check} ({self.case})"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a column must be. No column holds null.

    kind : its type; of a dictionary that of its values. least : no number is below it. filled : no text is empty.
    unique : no value comes twice.
    """

    kind: pa.DataType
    least: int | None = None
    filled: bool = False
    unique: bool = False


TEXT, FILLED = Rule(pa.string()), Rule(pa.string(), filled=True)
CHUNK_RULES = {
    "chunk_id": Rule(pa.int64(), least=0, unique=True),
    "source": FILLED,
    "path": FILLED,
    "symbol": TEXT,
    "kind": FILLED,
    "part": Rule(pa.int32(), least=0),
    "start_line": Rule(pa.int32(), least=1),
    "end_line": Rule(pa.int32(), least=1),
    "title": TEXT,
    "text": FILLED,
    "metadata": TEXT,
    "text_hash": Rule(pa.binary(16)),
}
ID_MAP_RULES = {
    "row": Rule(pa.int64(), least=0, unique=True),
    "chunk_id": Rule(pa.int64(), least=0),
    "segment": FILLED,
    "position": Rule(pa.int32(), least=0),
    "live": Rule(pa.bool_()),
}


def chunk_problems(table: pa.Table) -> list[Problem]:
    """What is wrong with a table of chunks (storage's CHUNK_SCHEMA); empty where nothing is."""
    return _broken(CHUNK_RULES, table) or [*_line_problems(table), *_metadata_problems(table)] or _hash_problems(table)


def id_map_problems(table: pa.Table, end_row: int) -> list[Problem]:
    """What is wrong with an ID map: types, ranges, rows and live chunk_ids that come twice, rows out of range."""
    if problems := _broken(ID_MAP_RULES, table):
        return problems
    doubled = _doubled(table["chunk_id"].to_numpy()[table["live"].to_numpy()])
    if doubled is not None:
        problems.append(Problem("chunk_id", "unique among live rows", str(doubled)))
    if len(table) and pc.max(table["row"]).as_py() >= end_row:
        problems.append(Problem("row", f"less than end_row {end_row}", str(pc.max(table["row"]).as_py())))
    return problems


def _broken(rules: Mapping[str, Rule], table: pa.Table) -> list[Problem]:
    """Columns that are missing, that nobody asked for, or that break their rule."""
    times = Counter(table.column_names)
    problems = [Problem(name, "there once", f"{times[name]} times") for name in rules if times[name] != 1]
    problems += [Problem(name, "a column of the format", "unknown") for name in times if name not in rules]
    for name, rule in rules.items():
        if times[name] == 1:
            problems += _column_problems(name, rule, table[name])
    return problems[:MAX_PROBLEMS]


def _column_problems(name: str, rule: Rule, column: pa.ChunkedArray) -> list[Problem]:
    kind = column.type
    if (kind.value_type if pa.types.is_dictionary(kind) else kind) != rule.kind:
        return [Problem(name, f"type {rule.kind}", str(kind))]
    if nulls := pc.sum(column.is_null(), min_count=0).as_py():
        return [Problem(name, "no null", f"{nulls} of {len(column)} rows")]
    problems = []
    if rule.least is not None and len(column) and (least := pc.min(column).as_py()) < rule.least:
        problems.append(Problem(name, f"at least {rule.least}", str(least)))
    if rule.filled and (empty := _empty(column)):
        problems.append(Problem(name, "not empty", f"{empty} of {len(column)} rows"))
    if rule.unique and (doubled := _doubled(column.to_numpy())) is not None:
        problems.append(Problem(name, "unique", str(doubled)))
    return problems


def _empty(column: pa.ChunkedArray) -> int:
    """How many texts are empty; those of a dictionary that no row names are not looked at."""
    texts = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return int(pc.sum(pc.equal(pc.binary_length(texts), 0), min_count=0).as_py())


def _doubled(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int | None:
    """A number that comes twice among int64 [n], if one does."""
    # Sorted: a hash table of so many numbers takes ten times as long. What is sorted already takes a look.
    ordered = numbers if bool((numbers[1:] > numbers[:-1]).all()) else np.sort(numbers)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return int(again[0]) if len(again) else None


def _line_problems(table: pa.Table) -> list[Problem]:
    return _rows_that_fail(table, "start_line <= end_line", pc.less_equal(table["start_line"], table["end_line"]))


def _metadata_problems(table: pa.Table) -> list[Problem]:
    # Line breaks in a text are escaped in JSON, so that an object is one line.
    objects = pc.match_substring_regex(table["metadata"], r"^\{.*\}$")
    return _rows_that_fail(table, "metadata is a JSON object", objects)


def _rows_that_fail(table: pa.Table, rule: str, holds: pa.ChunkedArray) -> list[Problem]:
    failed: Sequence[int] = table["chunk_id"].filter(pc.invert(holds)).to_pylist()
    return [Problem("table", rule, f"chunk {chunk_id}") for chunk_id in failed[:MAX_PROBLEMS]]


def _hash_problems(table: pa.Table) -> list[Problem]:
    columns = [table.column(name) for name in ("chunk_id", "title", "text", "text_hash")]
    found: list[Problem] = []
    for chunk_id, title, text, stored in zip(*(c.to_pylist() for c in columns), strict=True):
        if text_hash(encoded_text(title, text)) != stored:
            found.append(Problem("text_hash", "hash of title and text", f"chunk {chunk_id}"))
            if len(found) == MAX_PROBLEMS:
                break
    return found

"""What chunk tables and ID maps must be, as pandera schemas over Arrow tables.

pandera takes 0.8 s to import, so that happens when the first table is validated. It knows no fixed-size binary: the
text hashes are compared with the texts by `hash_problems`, which is what they are for.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

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


def chunk_problems(table: pa.Table) -> list[Problem]:
    """What is wrong with a table of chunks (storage's CHUNK_SCHEMA); empty where nothing is."""
    hashes = pa.binary(16)
    if "text_hash" not in table.column_names or table.schema.field("text_hash").type != hashes:
        return [Problem("text_hash", "type", f"{hashes} is missing")]
    return _validate(_chunk_schema(), table.drop(["text_hash"])) or _hash_problems(table)


def id_map_problems(table: pa.Table, end_row: int) -> list[Problem]:
    """What is wrong with an ID map: types, ranges, rows and live chunk_ids that come twice, rows out of range."""
    # pandera knows no dictionaries: the segment names are compared as plain strings.
    at = table.column_names.index("segment") if "segment" in table.column_names else -1
    plain = table if at < 0 else table.set_column(at, "segment", table["segment"].cast(pa.string()))
    problems = _validate(_id_map_schema(), plain)
    if problems:
        return problems
    # Sorted: a hash table of so many numbers takes ten times as long.
    ids = np.sort(table["chunk_id"].to_numpy()[table["live"].to_numpy()])
    doubled = ids[1:][ids[1:] == ids[:-1]]
    if len(doubled):
        problems.append(Problem("chunk_id", "unique among live rows", str(doubled[0])))
    if len(table) and pc.max(table["row"]).as_py() >= end_row:
        problems.append(Problem("row", f"less than end_row {end_row}", str(pc.max(table["row"]).as_py())))
    return problems


def _hash_problems(table: pa.Table) -> list[Problem]:
    columns = [table.column(name) for name in ("chunk_id", "title", "text", "text_hash")]
    found: list[Problem] = []
    for chunk_id, title, text, stored in zip(*(c.to_pylist() for c in columns), strict=True):
        if text_hash(encoded_text(title, text)) != stored:
            found.append(Problem("text_hash", "hash of title and text", f"chunk {chunk_id}"))
            if len(found) == MAX_PROBLEMS:
                break
    return found


@cache
def _chunk_schema() -> Any:
    import pandera.pyarrow as pandera

    def string(*checks: Any) -> Any:
        return pandera.Column(pa.string(), list(checks), nullable=False)

    def number(smallest: int, kind: pa.DataType, **options: Any) -> Any:
        return pandera.Column(kind, pandera.Check.ge(smallest), nullable=False, **options)

    def lines_in_order(data: Any) -> bool:
        return bool(pc.all(pc.less_equal(data.table["start_line"], data.table["end_line"]), min_count=0).as_py())

    def metadata_is_an_object(data: Any) -> bool:
        return bool(pc.all(pc.match_substring_regex(data.table["metadata"], r"^\{.*\}$"), min_count=0).as_py())

    not_empty = pandera.Check.str_length(min_value=1)
    return pandera.DataFrameSchema(
        {
            "chunk_id": number(0, pa.int64(), unique=True),
            "source": string(not_empty),
            "path": string(not_empty),
            "symbol": string(),
            "kind": string(not_empty),
            "part": number(0, pa.int32()),
            "start_line": number(1, pa.int32()),
            "end_line": number(1, pa.int32()),
            "title": string(),
            "text": string(not_empty),
            "metadata": string(),
        },
        checks=[
            pandera.Check(lines_in_order, name="start_line <= end_line"),
            pandera.Check(metadata_is_an_object, name="metadata is a JSON object"),
        ],
        strict=True,
    )


@cache
def _id_map_schema() -> Any:
    import pandera.pyarrow as pandera

    return pandera.DataFrameSchema(
        {
            "row": pandera.Column(pa.int64(), pandera.Check.ge(0), nullable=False, unique=True),
            "chunk_id": pandera.Column(pa.int64(), pandera.Check.ge(0), nullable=False),
            "segment": pandera.Column(pa.string(), pandera.Check.str_length(min_value=1), nullable=False),
            "position": pandera.Column(pa.int32(), pandera.Check.ge(0), nullable=False),
            "live": pandera.Column(pa.bool_(), nullable=False),
        },
        strict=True,
    )


def _validate(schema: Any, table: pa.Table) -> list[Problem]:
    from pandera.errors import SchemaErrors

    if not len(table):
        return []
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.to_pylist()[:MAX_PROBLEMS]
        return [Problem(c["column"] or "table", c["check"], str(c["failure_case"])) for c in cases]
    return []

"""The records of an asset's value: the rows of a table (pyarrow; pandas, polars and others by the Arrow interface), or
mappings, one a record, from anything that can be gone through."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from xtr_assets.core.errors import SourceError
from xtr_assets.sources.parquet import BATCH_ROWS, rows_of, wanted_columns
from xtr_assets.sources.record_rows import InvalidRecord, Row

ALLOWED = "a pyarrow, pandas or polars table, or an iterable of mappings"


def asset_rows(
    value: Any, required: Sequence[str], optional: Sequence[str], named: str
) -> Iterator[Row | InvalidRecord]:
    """Rows numbered from 1. SourceError, which begins with `named`, for what is no table and no records, for a table
    without the columns, and where going through the records raises."""
    if value is None:
        raise SourceError(f"{named} has the value None; let the asset return {ALLOWED}")
    if is_lazy(value):
        raise SourceError(f"{named} is a {_kind(value)}, which is a plan and holds no rows; let the asset collect it")
    table = _table(value, named)
    if table is None:
        yield from _records(value, [*required, *optional], named)
        return
    try:
        columns = wanted_columns(table.column_names, required, optional, "asset")
    except InvalidRecord as error:
        raise SourceError(f"{named}: {error.detail}; correct `id`, `text`, `title` and `metadata`") from error
    number = 0
    for batch in table.select(columns).to_batches(max_chunksize=BATCH_ROWS):
        yield from rows_of(batch, number)
        number += batch.num_rows


def is_lazy(value: Any) -> bool:
    """Whether a value is a query that has not run: LazyFrames of polars and narwhals, frames of dask and ibis."""
    return not hasattr(value, "__arrow_c_stream__") and any(
        callable(getattr(value, name, None)) for name in ("collect", "compute", "execute")
    )


def _table(value: Any, named: str) -> pa.Table | None:
    """The value as an Arrow table; None where it is none."""
    if isinstance(value, pa.Table):
        return value
    if not any(hasattr(value, name) for name in ("__arrow_c_stream__", "__arrow_c_array__")):
        return None
    try:
        return pa.table(value)
    except Exception as error:
        # A column of two types, most of the time: Arrow names it.
        raise SourceError(f"{named}, a {_kind(value)}, is no table of one type a column: {error!s:.300}") from error


def _records(value: Any, names: Sequence[str], named: str) -> Iterator[Row | InvalidRecord]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise SourceError(f"{named} has a value of type {_kind(value)}; let the asset return {ALLOWED}")
    number, records = 0, iter(value)
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except Exception as error:
            raise SourceError(
                f"{named} ended after {number:,} records with {type(error).__name__}: {error!s:.200}; nothing of it "
                "was taken, and what was ingested before stays"
            ) from error
        number += 1
        if isinstance(record, Mapping):
            yield Row(number, {name: record[name] for name in names if name in record})
        else:
            yield InvalidRecord(number, "invalid-record", f"it is a {_kind(record)}; allowed: a mapping")


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

"""Rows of Parquet files in batches: memory is bounded by a batch of the wanted columns, however large a group is."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.sources.arrow_values import plain_value
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.reason import Reason
from xtr_assets.sources.record_rows import InvalidRecord, Row

# Texts of a few KB make batches of a few MB; larger ones gain no speed.
BATCH_ROWS = 1024
# Read buffer of a column. Without one, and with pyarrow's pre_buffer, the whole row group lies in memory: 260 MB in
# place of 80 over a file of one 190 MB row group, in the same time.
BUFFER_BYTES = 1 << 20


def read_parquet(file: SourceFile, required: Sequence[str], optional: Sequence[str]) -> Iterator[Row | InvalidRecord]:
    """Rows in order, numbered from 1. Raises OSError where the file cannot be opened.

    A file without a required column, or whose footer cannot be read, gives one InvalidRecord of line 0; one whose
    pages are damaged gives the rows before the damage and then an InvalidRecord that says what is lost.
    """
    with file.open() as stream:
        try:
            parquet = pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except Exception as error:
            # Damaged footers end in more than Arrow's own errors: bad UTF-8 in a name, a length below zero.
            yield InvalidRecord(0, "no-records", f"not Parquet: {error!s:.300}")
            return
        names = parquet.schema_arrow.names
        try:
            columns = wanted_columns(names, required, optional, "file")
        except InvalidRecord as error:
            yield error
            return
        number = 0
        try:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=columns):
                yield from rows_of(batch, number)
                number += batch.num_rows
        except (pa.ArrowException, OSError, UnicodeError, ValueError, OverflowError, MemoryError) as error:
            lost = parquet.metadata.num_rows - number
            yield InvalidRecord(number + 1, "truncated", f"damaged: {lost} rows from here on are lost ({error!s:.300})")


def wanted_columns(names: Sequence[str], required: Sequence[str], optional: Sequence[str], what: str) -> list[str]:
    """Those to read. InvalidRecord of line 0 where one is missing, or stands twice, in the file or other thing."""
    missing = [name for name in required if name not in names]
    if missing:
        detail = f"no column {', '.join(f'`{name}`' for name in missing)}; the {what} has {', '.join(names)}"
        raise InvalidRecord(0, "no-records", detail)
    columns = [name for name in dict.fromkeys([*required, *optional]) if name in names]
    if twice := [name for name in columns if names.count(name) > 1]:
        detail = f"the column `{twice[0]}` stands there twice, and which one is meant nobody knows; rename one"
        raise InvalidRecord(0, "no-records", detail)
    return columns


def rows_of(batch: Any, before: int) -> Iterator[Row | InvalidRecord]:
    """Rows of a batch, numbered after `before`. What Arrow raises while it makes Python values (it has many ways, one a
    type) is of one row."""
    try:
        records: list[Any] = batch.to_pylist()
    except Exception:
        records = [_record(batch, position) for position in range(batch.num_rows)]
    for number, record in enumerate(records, before + 1):
        yield InvalidRecord(number, *record) if isinstance(record, tuple) else Row(number, record)


def _record(batch: Any, position: int) -> dict[str, Any] | tuple[Reason, str]:
    """One row of a batch, or why it has no values."""
    record = {}
    for name in batch.schema.names:
        try:
            record[name] = plain_value(batch.column(name)[position])
        except UnicodeDecodeError as error:
            byte = f"byte {error.object[error.start]:#04x}"
            return "undecodable", f"{byte} in the column `{name}` is not UTF-8 ({error.reason})"
        except Exception as error:
            return "invalid-record", f"the column `{name}` holds a value that cannot be read ({error!r:.200})"
    return record

"""A second reading of records by `json`, `pyarrow` and, of CSV, `table_evidence`: what `source_agrees` holds rows of
records against."""

import hashlib
import json
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.config import SourceConfig
from xtr_assets.pipeline.gate import table_evidence
from xtr_assets.pipeline.gate.text_evidence import Row, place_id, torn_faults

# Chooses among so many records those to parse again.
Choose = Callable[[Sequence[int]], Sequence[int]]
# By line, each record, read when it is asked for.
Records = dict[int, Callable[[], Any]]
_UNREADABLE = table_evidence.UNREADABLE


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of which this reading does not know how a row has it; only which may be it."""

    may_be: Callable[[Any], bool]


# One that JSON can hold and this reading cannot.
OPAQUE = Opaque(lambda value: value not in (None, ""))
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
_PARQUET, _WORKBOOKS = (".parquet", ".pq"), (".xls", ".xlsm", ".xlsb", ".ods")
# Where so many lines are no objects a file is something else, and no more of it is read.
STRANGE_LINES = 1000
# Rows before a damaged group of Parquet that may be lost with it: those of a batch.
LOST_ROWS = 1024


def record_faults(
    path: str,
    held: Path | Records,
    rows: Sequence[Row],
    quarantined: set[int],
    config: SourceConfig,
    choose: Choose,
) -> Iterator[str]:
    """Whether each record of the file has its rows or its place in quarantine, and chosen ones say what the rows say.

    held : the file, or its records. quarantined : lines in quarantine. Every line is counted; those that `choose` takes
    are parsed and compared.
    """
    lines, ends, whole = _records_of(held, config) if isinstance(held, Path) else (held, {}, True)
    if lines is None or not (whole or quarantined):
        # A file without rows that is in quarantine as a whole may well be no Parquet.
        if rows or 0 not in quarantined:
            yield "it cannot be read a second time"
        return
    if 0 in quarantined and not rows and isinstance(held, Path) and _holds_none(held, lines, config):
        return
    if not whole:
        # Behind damage nothing is known, nor how far who reads by batches got before it.
        lines = {line: read for line, read in lines.items() if line < max(max(quarantined), len(lines) - LOST_ROWS)}
        rows = [row for row in rows if row["start_line"] <= len(lines)]
    by_line: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_line[row["start_line"]].append(row)
    if unknown := sorted(by_line.keys() - lines.keys()):
        yield f"rows of line {unknown[0]}, where no record stands"
    missing = sorted(lines.keys() - by_line.keys() - quarantined)
    if missing:
        yield f"{len(missing)} records have no row, the first in line {missing[0]}"
    if both := sorted(by_line.keys() & quarantined):
        yield f"line {both[0]} has rows and is in quarantine"
    known = {row["symbol"]: line for line, held in by_line.items() for row in held}
    for line in choose(sorted(by_line.keys() & lines.keys())):
        yield from _row_faults(path, (line, ends.get(line, line)), lines[line](), by_line[line], config)
    for line in choose(sorted(quarantined & lines.keys())):
        values = lines[line]()
        if (
            _usable(values, config)
            and not _opaque_in(values, config)
            and (not config.id or known.get(str(values[config.id]), line) >= line)
        ):
            yield f"line {line} is in quarantine and can be used"


def _records_of(file: Path, config: SourceConfig) -> tuple[Records | None, Mapping[int, int], bool]:
    """(the records, the last lines of those that have several, whether these are all); None of what is no Parquet, and
    of a table without the columns that are asked for."""
    suffix = file.suffix.lower()
    if suffix in _PARQUET:
        records, whole = _parquet(file, config)
        return records, {}, whole
    if suffix not in table_evidence.SUFFIXES:
        return _json_lines(file), {}, True
    found = table_evidence.table_records(file, config)
    return (None, {}, True) if found is None else (*found, True)


def _holds_none(file: Path, lines: Records, config: SourceConfig) -> bool:
    """Whether a file as a whole holds no record: a column that is asked for is not there; a workbook; UTF-16; or
    nothing that is a record where it begins."""
    suffix = file.suffix.lower()
    if suffix in _PARQUET:
        # The column of titles may be missing, unless it was named.
        optional = {SourceConfig.model_fields["title"].default} - {config.id, config.text, *config.metadata}
        return not set(pq.read_schema(file).names) >= _columns(config) - optional
    with file.open("rb") as stream:
        if suffix in _WORKBOOKS or stream.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE):
            return True
    begins = [lines[line] for line in sorted(lines)[:STRANGE_LINES]]
    return len(begins) == STRANGE_LINES and not any(isinstance(read(), dict) for read in begins)


def _json_lines(file: Path) -> Records:
    """Each line that is not blank, read and parsed when it is asked for."""
    found: Records = {}
    start = 0
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.removeprefix(b"\xef\xbb\xbf").strip():
                found[number] = partial(_parse, file, start, len(line))
            start += len(line)
    return found


def _parse(file: Path, start: int, length: int) -> Any:
    with file.open("rb") as stream:
        stream.seek(start)
        line = stream.read(length)
    try:
        return json.loads(line.decode("utf-8-sig" if start == 0 else "utf-8").strip(), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _columns(config: SourceConfig) -> set[str]:
    return {name for name in (config.id, config.text, config.title, *config.metadata) if name}


def _parquet(file: Path, config: SourceConfig) -> tuple[Records | None, bool]:
    """Each row, read when it is asked for; of a damaged file those of the row groups before the damage."""
    try:
        names = [name for name in pq.read_schema(file).names if name in _columns(config)]
    except Exception:
        # Damaged footers end in more than Arrow's own errors.
        return None, True
    if len(set(names)) < len(names):
        return None, True  # A column that stands twice: which one is meant nobody knows.
    whole = True
    try:
        table = pq.read_table(file, columns=names, memory_map=True)
    except _DAMAGED:
        table, whole = _before_damage(file, names), False

    def reader(position: int) -> Callable[[], Any]:
        def read() -> Any:
            try:
                return table.slice(position, 1).to_pylist()[0]
            except UnicodeDecodeError:
                return _UNREADABLE
            except Exception:
                return {name: cell(table.column(name)[position]) for name in table.column_names}

        return read

    return {number: reader(number - 1) for number in range(1, table.num_rows + 1)}, whole


def _before_damage(file: Path, names: Sequence[str]) -> pa.Table:
    groups = []
    with pq.ParquetFile(file, memory_map=True) as opened, suppress(*_DAMAGED):
        groups.append(opened.schema_arrow.empty_table().select(names))
        for number in range(opened.num_row_groups):
            groups.append(opened.read_row_group(number, columns=list(names)))
    return pa.concat_tables(groups)


def cell(scalar: Any) -> Any:
    """The value; OPAQUE for one that Python cannot hold (nanoseconds, far years) and JSON can."""
    try:
        return scalar.as_py()
    except Exception:
        return OPAQUE


def _same_fields(stored: str, fields: Mapping[str, Any]) -> bool:
    """Whether metadata says what the record says; of opaque values, that it may be what stands there."""
    found = json.loads(stored)
    opaque = {name: value for name, value in fields.items() if isinstance(value, Opaque)}
    if found.keys() != fields.keys() or not all(value.may_be(found[name]) for name, value in opaque.items()):
        return False
    known = {name: value for name, value in fields.items() if name not in opaque}
    # To Python 1, 1.0 and true are equal; to a filter they are not, nor to a reader.
    shown = [json.dumps(one, sort_keys=True) for one in ({name: found[name] for name in known}, known)]
    return shown[0] == shown[1]


def _opaque_in(values: Mapping[str, Any], config: SourceConfig) -> bool:
    """Whether a value is one of which it is not known whether JSON can hold it."""
    return any(isinstance(values.get(name), Opaque) for name in config.metadata)


def _usable(values: Any, config: SourceConfig) -> bool:
    if not isinstance(values, dict):
        return False
    key, text = values.get(config.id) if config.id else "", values.get(config.text)
    title = values.get(config.title) if config.title else None
    if config.id and (isinstance(key, bool) or not (isinstance(key, int) or (isinstance(key, str) and key))):
        return False
    if any(one is not None and not isinstance(one, str) for one in (text, title)):
        return False
    try:
        told = [one for name in config.metadata if not isinstance(one := values.get(name), Opaque)]
        json.dumps([_plain(one) for one in told], ensure_ascii=False).encode()
        f"{key}{text}{title}".encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return bool((text or "").strip() or (title or "").strip())


def _row_faults(
    path: str, lines: tuple[int, int], values: Any, rows: Sequence[Row], config: SourceConfig
) -> Iterator[str]:
    line, last = lines
    where = f"the record of line {line}"
    if isinstance(values, Opaque):
        return  # What it is called, or says, is not known here.
    if not _usable(values, config):
        yield f"{where} has rows and cannot be used"
        return
    text, title = values.get(config.text) or "", (values.get(config.title) if config.title else "") or ""
    body, heading = (text, title) if text.strip() else (title, "")
    symbol = str(values[config.id]) if config.id else _unnamed(rows[0]["symbol"], title, text)
    fields = {"title": title} if title else {}
    told = {name: _number(values[name]) if name in config.numbers else values[name] for name in values}
    fields |= {name: _plain(told[name]) for name in config.metadata if name in told}
    rows = sorted(rows, key=lambda row: row["part"])
    if [row["part"] for row in rows] != list(range(len(rows))):
        yield f"{where} has the parts {[row['part'] for row in rows]}"
    if len(rows) == 1 and len(body) <= config.max_chars:
        same = rows[0]["text"] == body
    else:
        same = "".join("".join(row["text"] for row in rows).split()) == "".join(body.split())
    if not same:
        yield f"{where}: its text is not that of its rows"
    if len(rows) > 1 and len(body) <= config.max_chars:
        yield f"{where} is {len(rows)} chunks and fits into one"
    yield from (f"{where}: {fault}" for fault in torn_faults([row["text"] for row in rows], body))
    for row in rows:
        if (row["symbol"], row["kind"], row["title"]) != (symbol, "record", heading):
            yield f"{where}: symbol {row['symbol']!r}, kind {row['kind']!r}, title {row['title']!r:.80}"
        if row["end_line"] != last:
            yield f"{where} ends in line {row['end_line']}"
        if not _same_fields(row["metadata"], fields):
            yield f"{where}: metadata {row['metadata']:.80}"
        if row["chunk_id"] != place_id(config.name, path, symbol, 0, row["part"]):
            yield f"{where}: chunk_id {row['chunk_id']} is another place's"


def _unnamed(symbol: str, title: str, text: str) -> str:
    """What a record without an id is called: 16 digits of the BLAKE2b of what it says, and behind them any number from
    2 on, of records that say the same."""
    digits = hashlib.blake2b(f"{title}\0{text}".encode(), digest_size=8).hexdigest()
    return symbol if re.fullmatch(rf"{digits}-([2-9]|[1-9][0-9]+)", symbol) else digits


def _number(value: Any) -> Any:
    """What a text is as a number: digits, with a sign, a point or an exponent; all else as it is."""
    text = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[+-]?\d{1,300}(\.\d+)?(e[+-]?\d+)?", text, re.ASCII | re.IGNORECASE):
        return value
    try:
        return int(text)
    except ValueError:
        return float(text) if math.isfinite(float(text)) else value


def _plain(value: Any) -> Any:
    """A value as JSON holds it: times are ISO 8601, decimals strings, and what is no number null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Decimal | UUID) else value

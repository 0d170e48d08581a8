"""Records: JSON objects, one a line, or rows of CSV, XLSX or Parquet. One is one chunk, or several if it is long."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, ClassVar

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking.text import split_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources import csv_table, xlsx_table
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.document_worker import WORKBOOK, reads_workbooks
from xtr_assets.sources.jsonl import WANTED, read_jsonl
from xtr_assets.sources.parquet import read_parquet
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.record_rows import InvalidRecord, Row, canonical_json, number_of

_DEFAULT_TITLE = SourceConfig.model_fields["title"].default


# Workbooks that people take for records; of each line would be said that it is no JSON.
OTHER_WORKBOOKS = (".xls", ".xlsm", ".xlsb", ".ods")

# Of how records are taken: 2 refuses an object, or a file of Parquet, in which a name stands twice; 3 reads CSV.
RECORDS_VERSION = 3


class Records(FileSource):
    """Kind `records`: `.csv` and `.tsv` are CSV, `.xlsx` workbooks, `.parquet` and `.pq` Parquet, all others JSON
    lines; other workbooks are refused.

    A chunk's symbol is the record's id and its lines are those of the record, or its row from 1 in XLSX and Parquet. A
    text longer than max_chars is split at paragraphs, lines or sentences into parts of one symbol. Ids must differ
    within a file; the path is part of the place, so two files may hold the same id. Without ids (`id: null`) the symbol
    is made from title and text; from the second on of records that say the same the number among them stands behind it.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", *csv_table.SUFFIXES, WORKBOOK, ".parquet", ".pq")

    def settings(self) -> dict[str, Any]:
        config = self.config
        return {
            "id": config.id,
            "title": config.title,
            "text": config.text,
            "metadata": list(config.metadata),
            "numbers": sorted(config.numbers),
            # What was refused for want of a library comes up when it is there; another release of it reads the same.
            **({"workbooks": reads_workbooks()} if self._may_hold_workbooks() else {}),
            "records": RECORDS_VERSION,
        }

    def _may_hold_workbooks(self) -> bool:
        """Unless it is one file of another suffix."""
        return PurePath(str(self.config.path)).suffix.lower() not in set(self.suffixes) - {WORKBOOK}

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        # Ids as the chunk_ids they make: 8 bytes of content each, so that millions fit in memory.
        seen: set[int] = set()
        again: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        for row in self.rows(file):
            if isinstance(row, InvalidRecord):
                _count(refused, row.detail)
                yield self.refuse(path, row.line, row.reason, row.detail)
                if not row.line:
                    return
                continue
            try:
                chunks = list(self._chunks(path, row))
            except InvalidRecord as error:
                _count(refused, error.detail)
                yield self.refuse(path, error.line, error.reason, error.detail)
                continue
            if not self.config.id and chunks[0].chunk_id in seen:
                again[chunks[0].symbol] += 1
                chunks = self._called(chunks, f"{chunks[0].symbol}-{again[chunks[0].symbol] + 1}")
            if chunks[0].chunk_id in seen:
                detail = f"`{self.config.id}` {chunks[0].symbol!r} belongs to an earlier record; the first one is kept"
                yield self.refuse(path, row.line, "duplicate-id", detail)
                continue
            seen.add(chunks[0].chunk_id)
            yield from chunks
        if not seen:
            yield self.refuse(path, 0, "no-records", f"{_none_of(refused)} ({file.size} bytes)")

    def rows(self, file: SourceFile) -> Iterator[Row | InvalidRecord]:
        """The records of a file in order, and what is none."""
        if (suffix := file.suffix.lower()) in OTHER_WORKBOOKS:
            return iter([InvalidRecord(0, "no-records", f"a workbook ({suffix}) is not read; {WANTED}")])
        if suffix == WORKBOOK:
            texts = {name for name in (self.config.id, self.config.title, self.config.text) if name}
            return xlsx_table.read_xlsx(file, *self.columns(), texts)
        if suffix in csv_table.SUFFIXES:
            return csv_table.read_csv(file, *self.columns())
        if suffix not in (".parquet", ".pq"):
            return read_jsonl(file)
        return read_parquet(file, *self.columns())

    def columns(self) -> tuple[list[str], list[str]]:
        """(columns that have to be there, those that may)."""
        config = self.config
        required = [*([config.id] if config.id else []), config.text, *config.metadata]
        # Corpora without titles are common, so the default column may be missing; one that was asked for may not.
        optional = [config.title] if config.title == _DEFAULT_TITLE and config.title else []
        if config.title and not optional:
            required.append(config.title)
        return required, optional

    def _called(self, chunks: list[Chunk], symbol: str) -> list[Chunk]:
        name, path = self.config.name, chunks[0].path
        return [replace(one, symbol=symbol, chunk_id=chunk_id(name, path, symbol, 0, one.part)) for one in chunks]

    def _chunks(self, path: str, row: Row) -> Iterator[Chunk]:
        config, line = self.config, row.line
        symbol = _identifier(row.values, config.id, line) if config.id else ""
        text = _string(row.values, config.text, line)
        title = _string(row.values, config.title, line) if config.title else ""
        # A record of a title alone is its title: an encoder sees the same, and no chunk is without text.
        body, heading = (text, title) if text.strip() else (title, "")
        if not body.strip():
            raise InvalidRecord(line, "invalid-record", f"`{config.text}` is missing or empty")
        fields = {"title": title} if title else {}
        fields |= {name: row.values[name] for name in config.metadata if name in row.values}
        fields |= {name: number_of(fields[name]) for name in config.numbers if name in fields}
        metadata = canonical_json(fields, line)
        symbol = symbol or content_digest(title, text)
        for part, piece in enumerate(split_text(body, config.max_chars)):
            yield Chunk(
                chunk_id=chunk_id(config.name, path, symbol, 0, part),
                source=config.name,
                path=path,
                symbol=symbol,
                kind="record",
                part=part,
                start_line=line,
                end_line=row.end_line or line,
                title=heading,
                text=piece,
                metadata=metadata,
            )


def content_digest(title: str, text: str) -> str:
    """What a record without an id is called: 8 bytes, in hexadecimal, of what it says.

    >>> content_digest("Opening hours", "From nine.")
    '0db25c903f8f691f'
    """
    return hashlib.blake2b(f"{title}\0{text}".encode(), digest_size=8).hexdigest()


# Details quote values: of a file of millions that are all wrong in their own way so many are told apart.
_MOST_DETAILS = 256
_OTHERS = ""


def _count(refused: Counter[str], detail: str) -> None:
    refused[detail if detail in refused or len(refused) < _MOST_DETAILS else _OTHERS] += 1


def _none_of(refused: Counter[str]) -> str:
    """Why a file holds no record: by what most of them were refused, not by what the first one happened to lack."""
    if not refused:
        return "it holds no record"
    detail, count = max(refused.items(), key=lambda one: (one[0] != _OTHERS, one[1]))
    share = "" if count == refused.total() else f" ({count} of them, the others for other reasons)"
    return f"none of its {refused.total()} records can be used: {detail}{share}"


def _identifier(values: Mapping[str, Any], name: str, line: int) -> str:
    value = values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        shown = "missing" if value is None else f"{value!r:.80}"
        raise InvalidRecord(line, "invalid-record", f"`{name}` is {shown}; allowed: a non-empty string or an integer")
    return _storable(value, name, line)


def _string(values: Mapping[str, Any], name: str, line: int) -> str:
    """The field's string; "" where it is missing or null."""
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRecord(line, "invalid-record", f"`{name}` is {value!r:.80}; allowed: a string")
    return _storable(value, name, line)


def _storable(value: str, name: str, line: int) -> str:
    # Known without looking: Python keeps whether a string is ASCII.
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        detail = f"`{name}` holds a lone surrogate at character {error.start}, which UTF-8 cannot hold"
        raise InvalidRecord(line, "invalid-record", detail) from error
    return value

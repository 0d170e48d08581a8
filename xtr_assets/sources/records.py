"""Records: one JSON object a line, or the rows of a Parquet file. One record is one chunk, or several if it is long."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking.text import split_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.jsonl import WANTED, read_jsonl
from xtr_assets.sources.parquet import read_parquet
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.record_rows import InvalidRecord, Row, canonical_json

_DEFAULT_TITLE = SourceConfig.model_fields["title"].default


# Tables that people take for records; of each line would be said that it is no JSON.
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")

# Of how records are taken: 2 refuses an object, or a file of Parquet, in which a name stands twice.
RECORDS_VERSION = 2


class Records(FileSource):
    """Kind `records`: `.parquet` and `.pq` files are Parquet, all others JSON lines; tables (TABLES) are refused.

    A chunk's symbol is the record's id and its lines are the record's line, or row from 1 in Parquet. A text longer
    than max_chars is split at paragraphs, lines or sentences into parts of one symbol. Ids must differ within a file;
    the path is part of the place, so two files may hold the same id.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".parquet", ".pq")

    def settings(self) -> dict[str, Any]:
        config = self.config
        fields = {"id": config.id, "title": config.title, "text": config.text, "metadata": list(config.metadata)}
        return {**fields, "records": RECORDS_VERSION}

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        # Ids as the chunk_ids they make: 8 bytes of content each, so that millions fit in memory.
        seen: set[int] = set()
        refused: Counter[str] = Counter()
        for row in self.rows(file):
            if isinstance(row, InvalidRecord):
                _count(refused, row.detail)
                yield self.refuse(path, row.line, row.reason, row.detail)
                if row.reason == "no-records":
                    return
                continue
            try:
                chunks = list(self._chunks(path, row))
            except InvalidRecord as error:
                _count(refused, error.detail)
                yield self.refuse(path, error.line, error.reason, error.detail)
                continue
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
        if (suffix := file.suffix.lower()) in TABLES:
            return iter([InvalidRecord(0, "no-records", f"a table of {suffix} is not read; {WANTED}")])
        if suffix not in (".parquet", ".pq"):
            return read_jsonl(file)
        return read_parquet(file, *self.columns())

    def columns(self) -> tuple[list[str], list[str]]:
        """(columns that have to be there, those that may)."""
        config = self.config
        required = [config.id, config.text, *config.metadata]
        # Corpora without titles are common, so the default column may be missing; one that was asked for may not.
        optional = [config.title] if config.title == _DEFAULT_TITLE and config.title else []
        if config.title and not optional:
            required.append(config.title)
        return required, optional

    def _chunks(self, path: str, row: Row) -> Iterator[Chunk]:
        config, line = self.config, row.line
        symbol = _identifier(row.values, config.id, line)
        text = _string(row.values, config.text, line)
        title = _string(row.values, config.title, line) if config.title else ""
        # A record of a title alone is its title: an encoder sees the same, and no chunk is without text.
        body, heading = (text, title) if text.strip() else (title, "")
        if not body.strip():
            raise InvalidRecord(line, "invalid-record", f"`{config.text}` is missing or empty")
        fields = {"title": title} if title else {}
        fields |= {name: row.values[name] for name in config.metadata if name in row.values}
        metadata = canonical_json(fields, line)
        for part, piece in enumerate(split_text(body, config.max_chars)):
            yield Chunk(
                chunk_id=chunk_id(config.name, path, symbol, 0, part),
                source=config.name,
                path=path,
                symbol=symbol,
                kind="record",
                part=part,
                start_line=line,
                end_line=line,
                title=heading,
                text=piece,
                metadata=metadata,
            )


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

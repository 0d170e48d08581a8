"""What `init` finds in a folder: code, configuration, text, records and queries, proposed as sources; and what none
would read."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from xtr_assets.cli.project_walk import OWN, walk_project
from xtr_assets.core.chunking.code_grammar import CODE_SUFFIXES
from xtr_assets.core.json_document import read_json
from xtr_assets.sources import csv_table, xlsx_table
from xtr_assets.sources.config_tree import ConfigTree
from xtr_assets.sources.document_worker import WORKBOOK
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.jsonl import WANTED
from xtr_assets.sources.mixed_tree import kind_of
from xtr_assets.sources.place import LocalFile
from xtr_assets.sources.record_rows import InvalidRecord
from xtr_assets.sources.records import OTHER_WORKBOOKS
from xtr_assets.sources.text_tree import STYLES

DOCUMENT_SUFFIXES = (".html", ".htm", ".xhtml", ".docx", ".odt", ".pptx", ".epub", ".pdf")
# Markup that a source reads as plain text, where a pattern of it names the suffix.
PLAIN_SUFFIXES = (".textile", ".mediawiki")
TEXT_SUFFIXES = (*STYLES, ".txt", ".ipynb", *DOCUMENT_SUFFIXES, *PLAIN_SUFFIXES)
PARQUET_SUFFIXES = (".parquet", ".pq")
# Tables may be of anything; what was written as records comes before them.
TABLE_SUFFIXES = (*csv_table.SUFFIXES, WORKBOOK)
RECORD_SUFFIXES = (".jsonl", ".ndjson", *PARQUET_SUFFIXES, *TABLE_SUFFIXES)
# What the extra `documents` brings.
READERS = ("lxml", "pypdfium2", "selectolax")

# A folder of a thousand JSONL files is a data lake, not a first index: the first ones are proposed, the rest counted.
MOST_RECORD_FILES, MOST_LOOKED = 5, 100
# So many suffixes of configuration are told.
MOST_SUFFIXES = 8
# What `init` writes and configuration is read from.
OWN_CONFIG = frozenset(one for one in OWN if one.endswith(".yaml"))

# The first record of a file tells its fields; a line longer than this is no record of text.
MOST_LINE_CHARS = 4 << 20

# As long as the name of a source may be.
MOST_NAME_CHARS = 60

# Records of a table that are looked at: which columns name them, which hold numbers.
SEEN_RECORDS, MOST_SHOWN = 1000, 200
# Nothing, or a number that is written as numbers are: a code (`007`) is none.
_NUMBER = re.compile(r"(-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?)?")

# As people write them: in any case, with blanks for the underscores.
ID_FIELDS = ("_id", "id", "doc_id", "docid", "uuid", "guid", "key", "ticket_id", "issue_key", "sku")
TEXT_FIELDS = ("text", "body", "content", "abstract", "passage", "answer", "description", "message", "details")
TITLE_FIELDS = ("title", "name", "headline", "subject", "question", "summary")

# BEIR's names: questions to measure with. As a source each of them would find itself.
QUERIES_NAME, JUDGMENTS = "queries.jsonl", ("qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv", "qrels/train.tsv")


@dataclass(frozen=True)
class Proposal:
    """One source as YAML fields, and what was seen of it."""

    fields: Mapping[str, object]
    seen: str


@dataclass(frozen=True)
class Proposals:
    """queries : fields of `queries:`, empty where there are none. unread : files that no proposed source reads, by
    suffix. notes : what else a person should know."""

    sources: list[Proposal]
    queries: dict[str, str] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def propose(folder: Path) -> Proposals:
    """Sources for what lies in `folder`, at every level; hidden files and folders, what tools made and what git ignores
    are no part of it."""
    globs = Globs((), (), ConfigTree.suffixes, "init", ConfigTree.names)

    def is_config(path: str) -> bool:
        return globs.matches(path) and kind_of(path) == "config"

    def is_read(path: str) -> bool:
        return PurePosixPath(path).suffix.lower() in (".py", *TEXT_SUFFIXES, *CODE_SUFFIXES) or is_config(path)

    walk = walk_project(folder, is_read, globs)
    config = [path for path in walk.files if is_config(path.relative_to(folder).as_posix())] + walk.hidden
    others = set(walk.files).difference(config)
    suffixes = Counter(path.suffix.lower() or "no suffix" for path in others)
    queries, judgments = _queries(walk.files, folder)
    asked = {"path": queries, **({"judgments": judgments} if judgments else {})} if queries else {}
    sources = _trees(suffixes, config, [*walk.made, *walk.ignored])
    notes = [*walk.notes]
    if any(one.fields["kind"] == "code" for one in sources) and find_spec("tree_sitter_language_pack") is None:
        notes.append("kind `code` needs its parsers: pip install 'xtr-assets[code]'")
    if any(suffixes[suffix] for suffix in DOCUMENT_SUFFIXES) and any(find_spec(name) is None for name in READERS):
        notes.append("HTML, DOCX, ODT, PPTX, EPUB and PDF need their readers: pip install 'xtr-assets[documents]'")
    records = [path for path in walk.files if path.suffix.lower() in RECORD_SUFFIXES]
    measures = {(folder / queries).parent / name for name in JUDGMENTS} if queries else set()
    records = [path for path in sorted(records, key=_tables_last) if path not in measures and not _asks(path)]
    found = _proposed(records, folder, sources)
    notes += found.notes
    if books := sum(suffixes[suffix] for suffix in OTHER_WORKBOOKS):
        shown = ", ".join(suffix for suffix in OTHER_WORKBOOKS if suffixes[suffix])
        notes.append(f"{books} workbook{'s' * (books > 1)} ({shown}): {WANTED}")
    if found.left:
        notes.append(f"{found.left} more record files were left out")
    read = {".py", *TEXT_SUFFIXES, *CODE_SUFFIXES, *RECORD_SUFFIXES}
    unread = {suffix: count for suffix, count in sorted(suffixes.items()) if suffix not in read and count}
    return Proposals([*sources, *found.sources], asked, unread, notes)


@dataclass(frozen=True)
class _Found:
    """Sources for record files, notes about those that get none, and how many were not looked at."""

    sources: list[Proposal]
    notes: list[str]
    left: int


def _proposed(records: list[Path], folder: Path, others: list[Proposal]) -> _Found:
    sources: list[Proposal] = []
    notes: list[str] = []
    tables: list[Path] = []
    looked = 0
    for path in records[:MOST_LOOKED]:
        if len(sources) == MOST_RECORD_FILES:
            break
        looked += 1
        proposal = _records(path, folder, {str(p.fields["name"]) for p in (*others, *sources)})
        if proposal is not None:
            sources.append(proposal)
        elif path.suffix.lower() in TABLE_SUFFIXES:
            tables.append(path)
        else:
            notes.append(_unknown(path, folder))
    if tables:
        # A project of code has many, as data of its tests.
        more = f" (so it is with {len(tables) - 1} more tables)" if len(tables) > 1 else ""
        notes.append(f"{_unknown(tables[0], folder)}{more}")
    return _Found(sources, notes, len(records) - looked)


def _trees(suffixes: Counter[str], config: list[Path], exclude: list[str]) -> list[Proposal]:
    """Python, other code, configuration and text."""
    found: list[Proposal] = []
    if count := suffixes[".py"]:
        fields: dict[str, object] = {"name": "code", "kind": "python", "path": "."}
        found.append(Proposal(fields | {"exclude": ["definitions.py", *exclude]}, f"{count} Python files"))
    for name, kind, known, said in (
        ("other_code" if found else "code", "code", CODE_SUFFIXES, "files of code in other languages"),
        ("documents", "text", TEXT_SUFFIXES, "text files"),
    ):
        held = [suffix for suffix in known if suffixes[suffix]]
        if held:
            # All that the kind reads (`**`), also what comes later: a project changes its language, or its markup.
            plain = [f"**/*{suffix}" for suffix in held if suffix in PLAIN_SUFFIXES]
            include = ["**", *plain] if plain else []
            # What is configuration by its whole name is no text beside it.
            twice = sorted({f"**/{one.name}" for one in config if one.suffix.lower() in known})
            fields = {"name": name, "kind": kind, "path": ".", "include": include, "exclude": [*twice, *exclude]}
            found.append(Proposal(fields, f"{sum(suffixes[one] for one in held)} {said} ({', '.join(held)})"))
    if config:
        # No `include`: those hidden files that people ask for are read too, `.github/workflows/*.yml` among them.
        fields = {"name": "configuration", "kind": "config", "path": ".", "exclude": [*sorted(OWN_CONFIG), *exclude]}
        names = Counter(one.suffix.lower() or one.name for one in config)
        shown = ", ".join(name for name, _ in names.most_common(MOST_SUFFIXES))
        found.append(Proposal(fields, f"{len(config)} files that run the project ({shown})"))
    return found


def _queries(files: list[Path], folder: Path) -> tuple[str, str]:
    """Paths of queries and of their judgments below the folder; "" where there are none."""
    for path in files:
        if path.name == QUERIES_NAME and _is_queries(path):
            beside = (path.parent / name for name in JUDGMENTS)
            judged = next((f"./{one.relative_to(folder).as_posix()}" for one in beside if one.is_file()), "")
            return f"./{path.relative_to(folder).as_posix()}", judged
    return "", ""


def _asks(path: Path) -> bool:
    return path.name == QUERIES_NAME and _is_queries(path)


def _tables_last(path: Path) -> tuple[bool, Path]:
    """In order, but what was written as records comes before tables, which may be of anything."""
    return path.suffix.lower() in TABLE_SUFFIXES, path


def _is_queries(path: Path) -> bool:
    return {"_id", "text"} <= set(_columns(path))


def _records(path: Path, folder: Path, taken: set[str]) -> Proposal | None:
    columns = _columns(path)
    text = _first(TEXT_FIELDS, columns)
    if text is None:
        return None
    seen = f"records with the fields {', '.join(columns)}"
    identity, numbers = _first(ID_FIELDS, columns), list[str]()
    if path.suffix.lower() in csv_table.SUFFIXES:
        held, count = _held(path)
        distinct = [field for field, values in held.items() if len(set(values)) == count and "" not in values]
        numbers = [field for field, values in held.items() if any(values) and all(map(_NUMBER.fullmatch, values))]
        if identity not in distinct:
            identity = None
            if shown := ", ".join(field for field in distinct if field not in (text, *numbers))[:MOST_SHOWN]:
                seen += f"; different in each of the first {count:,}: {shown}"
    if identity is None:
        seen += "; without an id each is called by what it says"
    name = base = re.sub(r"[^A-Za-z0-9_.]", "_", path.stem).lstrip("_.")[:MOST_NAME_CHARS] or "records"
    number = 1
    while name in taken:
        number += 1
        name = f"{base[: MOST_NAME_CHARS - 5]}_{number}"
    title = _first(TITLE_FIELDS, columns)
    metadata = [c for c in columns if c not in (identity, text, title)]
    fields: dict[str, object] = {"name": name, "kind": "records", "path": f"./{path.relative_to(folder).as_posix()}"}
    fields |= {"id": identity, "title": title, "text": text, "metadata": metadata}
    return Proposal(fields | {"numbers": [one for one in metadata if one in numbers]}, seen)


def _unknown(path: Path, folder: Path) -> str:
    """What to do about a record file of which no source is proposed."""
    shown, columns = path.relative_to(folder), _columns(path)
    if not columns:
        return f"{shown} begins with no record that can be read: a JSON object a line or CSV, in UTF-8, or Parquet"
    return f"{shown} has no field that is known for a text: add it by hand; its fields are {', '.join(columns)}"


def _held(path: Path) -> tuple[dict[str, tuple[str, ...]], int]:
    """(the cells of each column of a table in its first records, how many these are)"""
    names, records = csv_table.first_records(LocalFile(path), SEEN_RECORDS)
    columns = zip(*records, strict=True) if records else ()
    return {name: cells for name, cells in zip(names, columns, strict=False) if name}, len(records)


def _columns(path: Path) -> list[str]:
    """The fields of a record file that JSON holds, by its first record or its schema; none where it cannot be read."""
    try:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            from pyarrow.parquet import read_schema

            return [str(field.name) for field in read_schema(path) if not _holds_bytes(field.type)]
        if path.suffix.lower() in csv_table.SUFFIXES:
            names = csv_table.first_records(LocalFile(path), 0)[0]
            return [name for name in names if name and names.count(name) == 1]
        if path.suffix.lower() == WORKBOOK:
            return _sheet_columns(path)
        # A byte order mark is no part of the first record, here as in the source.
        with path.open(encoding="utf-8-sig") as file:
            first = read_json(file.readline(MOST_LINE_CHARS))
        return list(first) if isinstance(first, dict) else []
    except (OSError, ValueError, RecursionError, InvalidRecord):
        return []


def _sheet_columns(path: Path) -> list[str]:
    """The names in a row of a workbook that a text is known by, else in the first row of several."""
    sheets = xlsx_table.sheets_of(path.read_bytes()).values()
    rows = [xlsx_table.names_of(cells) for sheet in sheets for _, cells in sheet[: xlsx_table.HEADER_ROWS]]
    rows = [[name for name in row if name and row.count(name) == 1] for row in rows]
    named = (row for row in rows if _first(TEXT_FIELDS, row))
    return next(named, next((row for row in rows if len(row) > 1), []))


def _holds_bytes(kind: Any) -> bool:
    """Whether a type of Arrow is bytes, or has some in it: metadata is JSON, which has none."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_nested(kind):
        return any(_holds_bytes(kind.field(number).type) for number in range(kind.num_fields))
    return any(
        one(kind) for one in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    )


def _first(known: tuple[str, ...], columns: list[str]) -> str | None:
    written = {re.sub(r"[ _-]+", "_", column.casefold()): column for column in reversed(columns)}
    return next((written[field] for field in known if field in written), None)

"""What `init` finds in a folder: code, text, records and queries, proposed as sources; and what none would read."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xtr_assets.cli.project_walk import walk_project
from xtr_assets.core.chunking.code_grammar import LANGUAGES
from xtr_assets.core.json_document import read_json
from xtr_assets.sources.jsonl import WANTED
from xtr_assets.sources.records import TABLES
from xtr_assets.sources.text_tree import STYLES

DOCUMENT_SUFFIXES = (".html", ".htm", ".xhtml", ".docx", ".odt", ".pptx", ".epub", ".pdf")
# Markup that a source reads as plain text, where a pattern of it names the suffix.
PLAIN_SUFFIXES = (".textile", ".mediawiki")
TEXT_SUFFIXES = (*STYLES, ".txt", ".ipynb", *DOCUMENT_SUFFIXES, *PLAIN_SUFFIXES)
PARQUET_SUFFIXES = (".parquet", ".pq")
RECORD_SUFFIXES = (".jsonl", ".ndjson", *PARQUET_SUFFIXES)
# What the extra `documents` brings.
READERS = ("lxml", "pypdfium2", "selectolax")

# A folder of a thousand JSONL files is a data lake, not a first index: the first ones are proposed, the rest counted.
MOST_RECORD_FILES = 5
# The first record of a file tells its fields; a line longer than this is no record of text.
MOST_LINE_CHARS = 4 << 20

# As long as the name of a source may be.
MOST_NAME_CHARS = 60

ID_FIELDS = ("_id", "id", "doc_id", "docid", "uuid", "key")
TEXT_FIELDS = ("text", "body", "content", "abstract", "passage", "description", "message")
TITLE_FIELDS = ("title", "name", "headline", "subject")

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
    walk = walk_project(folder, {".py", *TEXT_SUFFIXES, *LANGUAGES})
    suffixes = Counter(path.suffix.lower() or "no suffix" for path in walk.files)
    queries, judgments = _queries(walk.files, folder)
    asked = {"path": queries, **({"judgments": judgments} if judgments else {})} if queries else {}
    sources = _trees(suffixes, [*walk.made, *walk.ignored])
    notes = [*walk.notes]
    if any(one.fields["kind"] == "code" for one in sources) and find_spec("tree_sitter_language_pack") is None:
        notes.append("kind `code` needs its parsers: pip install 'xtr-assets[code]'")
    if any(suffixes[suffix] for suffix in DOCUMENT_SUFFIXES) and any(find_spec(name) is None for name in READERS):
        notes.append("HTML, DOCX, ODT, PPTX, EPUB and PDF need their readers: pip install 'xtr-assets[documents]'")
    records = [path for path in walk.files if path.suffix.lower() in RECORD_SUFFIXES]
    records = [path for path in sorted(records) if path.name != QUERIES_NAME or not _is_queries(path)]
    for path in records[:MOST_RECORD_FILES]:
        proposal = _records(path, folder, {str(p.fields["name"]) for p in sources})
        if proposal is None:
            notes.append(_unknown(path, folder))
        else:
            sources.append(proposal)
    if tables := sum(suffixes[suffix] for suffix in TABLES):
        notes.append(f"{tables} table{'s' * (tables > 1)} ({', '.join(s for s in TABLES if suffixes[s])}): {WANTED}")
    if len(records) > MOST_RECORD_FILES:
        notes.append(f"{len(records) - MOST_RECORD_FILES} more record files were left out")
    if judgments:
        suffixes[".tsv"] -= 1
    read = {".py", *TEXT_SUFFIXES, *LANGUAGES, *RECORD_SUFFIXES}
    unread = {suffix: count for suffix, count in sorted(suffixes.items()) if suffix not in read and count}
    return Proposals(sources, asked, unread, notes)


def _trees(suffixes: Counter[str], exclude: list[str]) -> list[Proposal]:
    """Python, other code and text."""
    found: list[Proposal] = []
    if count := suffixes[".py"]:
        fields: dict[str, object] = {"name": "code", "kind": "python", "path": "."}
        found.append(Proposal(fields | {"exclude": ["definitions.py", *exclude]}, f"{count} Python files"))
    for name, kind, known, said in (
        ("other_code" if found else "code", "code", LANGUAGES, "files of code in other languages"),
        ("documents", "text", TEXT_SUFFIXES, "text files"),
    ):
        held = [suffix for suffix in known if suffixes[suffix]]
        if held:
            # All that the kind reads (`**`), also what comes later: a project changes its language, or its markup.
            plain = [f"**/*{suffix}" for suffix in held if suffix in PLAIN_SUFFIXES]
            include = ["**", *plain] if plain else []
            fields = {"name": name, "kind": kind, "path": ".", "include": include, "exclude": exclude}
            found.append(Proposal(fields, f"{sum(suffixes[one] for one in held)} {said} ({', '.join(held)})"))
    return found


def _queries(files: list[Path], folder: Path) -> tuple[str, str]:
    """Paths of queries and of their judgments below the folder; "" where there are none."""
    for path in files:
        if path.name == QUERIES_NAME and _is_queries(path):
            beside = (path.parent / name for name in JUDGMENTS)
            judged = next((f"./{one.relative_to(folder).as_posix()}" for one in beside if one.is_file()), "")
            return f"./{path.relative_to(folder).as_posix()}", judged
    return "", ""


def _is_queries(path: Path) -> bool:
    return {"_id", "text"} <= set(_columns(path))


def _records(path: Path, folder: Path, taken: set[str]) -> Proposal | None:
    columns = _columns(path)
    identity, text = _first(ID_FIELDS, columns), _first(TEXT_FIELDS, columns)
    if identity is None or text is None:
        return None
    name = base = re.sub(r"[^A-Za-z0-9_.]", "_", path.stem).lstrip("_.")[:MOST_NAME_CHARS] or "records"
    number = 1
    while name in taken:
        number += 1
        name = f"{base[: MOST_NAME_CHARS - 5]}_{number}"
    title = _first(TITLE_FIELDS, columns)
    metadata = [c for c in columns if c not in (identity, text, title)]
    fields: dict[str, object] = {"name": name, "kind": "records", "path": f"./{path.relative_to(folder).as_posix()}"}
    fields |= {"id": identity, "title": title, "text": text, "metadata": metadata}
    return Proposal(fields, f"records with the fields {', '.join(columns)}")


def _unknown(path: Path, folder: Path) -> str:
    """What to do about a record file of which no source is proposed."""
    shown, columns = path.relative_to(folder), _columns(path)
    if not columns:
        return f"{shown} begins with no record that can be read: a JSON object a line, in UTF-8, or Parquet"
    lacking = [
        f"for {what}" for what, known in (("an id", ID_FIELDS), ("a text", TEXT_FIELDS)) if not _first(known, columns)
    ]
    fields = ", ".join(columns)
    return f"{shown} has no field that is known {' and '.join(lacking)}: add it by hand; its fields are {fields}"


def _columns(path: Path) -> list[str]:
    """The fields of a record file that JSON holds, by its first record or its schema; none where it cannot be read."""
    try:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            from pyarrow.parquet import read_schema

            return [str(field.name) for field in read_schema(path) if not _holds_bytes(field.type)]
        # A byte order mark is no part of the first record, here as in the source.
        with path.open(encoding="utf-8-sig") as file:
            first = read_json(file.readline(MOST_LINE_CHARS))
        return list(first) if isinstance(first, dict) else []
    except (OSError, ValueError, RecursionError):
        return []


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
    return next((field for field in known if field in columns), None)

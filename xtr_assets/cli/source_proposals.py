"""What `init` finds in a folder: Python, text and records, proposed as sources."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.json_document import read_json

TEXT_SUFFIXES = (".md", ".txt", ".rst")
RECORD_SUFFIXES = (".jsonl", ".parquet")

# Folders that hold other people's code or what tools made, wherever they stand.
SKIPPED = {"__pycache__", "node_modules", "site-packages", "warehouse", "build", "dist", "venv", "env"}

# A folder of a thousand JSONL files is a data lake, not a first index: the first ones are proposed, the rest counted.
MOST_RECORD_FILES = 5

ID_FIELDS = ("_id", "id", "doc_id", "docid", "uuid", "key")
TEXT_FIELDS = ("text", "body", "content", "abstract", "passage", "description")
TITLE_FIELDS = ("title", "name", "headline", "subject")


@dataclass(frozen=True)
class Proposal:
    """One source as YAML fields, and what was seen of it."""

    fields: Mapping[str, object]
    seen: str


def propose(folder: Path) -> tuple[list[Proposal], list[str]]:
    """Sources for what lies in `folder`, and notes on what was left out."""
    suffixes: Counter[str] = Counter()
    records: list[Path] = []
    for path in _files(folder):
        suffixes[path.suffix] += 1
        if path.suffix in RECORD_SUFFIXES:
            records.append(path)
    proposals: list[Proposal] = []
    notes: list[str] = []
    exclude = [f"{name}/**" for name in sorted(_skipped(folder))]
    if count := suffixes[".py"]:
        fields = {"name": "code", "kind": "python", "path": ".", "exclude": ["definitions.py", *exclude]}
        proposals.append(Proposal(fields, f"{count} Python files"))
    texts = [suffix for suffix in TEXT_SUFFIXES if suffixes[suffix]]
    if texts:
        include = [f"**/*{suffix}" for suffix in texts]
        fields = {"name": "documents", "kind": "text", "path": ".", "include": include, "exclude": exclude}
        proposals.append(Proposal(fields, f"{sum(suffixes[suffix] for suffix in texts)} text files"))
    for path in sorted(records)[:MOST_RECORD_FILES]:
        proposal = _records(path, folder, {str(p.fields["name"]) for p in proposals})
        if proposal is None:
            notes.append(f"{path.relative_to(folder)} has no field that is known for an id and a text: add it by hand")
        else:
            proposals.append(proposal)
    if len(records) > MOST_RECORD_FILES:
        notes.append(f"{len(records) - MOST_RECORD_FILES} more record files were left out")
    return proposals, notes


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _skipped(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.is_dir() and (p.name in SKIPPED or p.name.startswith("."))]


def _records(path: Path, folder: Path, taken: set[str]) -> Proposal | None:
    columns = _columns(path)
    identity, text = _first(ID_FIELDS, columns), _first(TEXT_FIELDS, columns)
    if identity is None or text is None:
        return None
    name = re.sub(r"[^A-Za-z0-9_.]", "_", path.stem).lstrip("_.") or "records"
    while name in taken:
        name += "_"
    title = _first(TITLE_FIELDS, columns)
    metadata = [c for c in columns if c not in (identity, text, title)]
    fields: dict[str, object] = {"name": name, "kind": "records", "path": f"./{path.relative_to(folder).as_posix()}"}
    fields |= {"id": identity, "title": title, "text": text, "metadata": metadata}
    return Proposal(fields, f"records with the fields {', '.join(columns)}")


def _columns(path: Path) -> list[str]:
    """The fields of a record file, by its first record or its schema; none where it cannot be read."""
    try:
        if path.suffix == ".parquet":
            from pyarrow.parquet import read_schema

            return [str(name) for name in read_schema(path).names]
        with path.open(encoding="utf-8") as file:
            first = read_json(file.readline())
        return list(first) if isinstance(first, dict) else []
    except (OSError, ValueError):
        return []


def _first(known: tuple[str, ...], columns: list[str]) -> str | None:
    return next((field for field in known if field in columns), None)

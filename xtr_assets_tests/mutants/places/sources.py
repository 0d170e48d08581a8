"""Faults between a file and its chunks: the walk, the readers, the chunkers, the settings of a source."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import shard_of
from xtr_assets.sources.record_rows import Row
from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, Plant, on_disk, replaced

Item = Chunk | Quarantined
AGREES = frozenset({"source_agrees"})
SHRUNK = frozenset({"nothing_vanished"})
PLACE = "sources"
KEPT = "rows of what cannot be read as it was are kept, and listed as stale"


def chunks(alter: Callable[[list[Any]], list[Item]]) -> Plant:
    """What a file gives is altered, file by file."""

    def make(original: Any) -> Any:
        def read(self: Any, path: str) -> Iterator[Item]:
            yield from alter(list(original(self, path)))

        return read

    return replaced("sources.base:FileSource.read", make)


def each(alter: Callable[[Chunk, Chunk], Chunk]) -> Plant:
    """`alter(chunk, the chunk before)`, within a file; the first has itself before it."""

    def altered(items: list[Any]) -> list[Item]:
        found = [one for one in items if isinstance(one, Chunk)]
        before = [found[0], *found] if found else []
        rest: list[Item] = [one for one in items if not isinstance(one, Chunk)]
        return rest + [alter(one, last) for one, last in zip(found, before, strict=False)]

    return chunks(altered)


def _lost(original: Any) -> Any:
    numbers = count()

    def read(self: Any, path: str) -> Iterator[Item]:
        yield from (one for one in original(self, path) if next(numbers) % 9 != 4)

    return read


def _twice(items: list[Any]) -> list[Item]:
    return [*items, *(replace(one, chunk_id=one.chunk_id ^ 1) for one in items if isinstance(one, Chunk))]


def _path_before(original: Any) -> Any:
    seen: dict[str, str] = {}

    def read(self: Any, path: str) -> Iterator[Item]:
        # Of the same shard, whose files are read in turn.
        shard = f"{self.config.name} {shard_of(path, self.config.shards)}"
        before = seen.get(shard, path)
        seen[shard] = path
        for one in original(self, path):
            yield replace(one, path=before) if isinstance(one, Chunk) else one

    return read


def _decoded_before(original: Any) -> Any:
    kept: list[str] = []

    def decode(data: bytes, encoding: str) -> str:
        kept.append(original(data, encoding))
        return kept[-2] if len(kept) % 4 == 0 else kept[-1]

    return decode


def _half_quarantined(original: Any) -> Any:
    def read(self: Any, path: str) -> Iterator[Item]:
        if sum(path.encode()) % 2:
            yield self.refuse(path, 0, "unreadable", "planted")
        else:
            yield from original(self, path)

    return read


def _walk(keep: Callable[[int, str], bool]) -> Plant:
    def make(original: Any) -> Any:
        def list_files(root: Path, globs: Any) -> Any:
            listing = original(root, globs)
            listing.files[:] = [path for number, path in enumerate(listing.files) if keep(number, path)]
            return listing

        return list_files

    return replaced("sources.file_scan:list_files", make)


def _scan(alter: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]) -> Plant:
    """`alter(files now, files known)`."""

    def make(original: Any) -> Any:
        def scan(self: Any, shard: str, known: dict[str, Any]) -> dict[str, Any]:
            return alter(original(self, shard, known), known)

        return scan

    return replaced("sources.base:FileSource.scan", make)


def _size_decides(original: Any) -> Any:
    def file_state(root: Path, path: str, known: Any, now_ns: int, most_bytes: int | None = None) -> Any:
        if known is not None and (root / path).is_file() and (root / path).stat().st_size == known.size:
            return known
        return original(root, path, known, now_ns, most_bytes)

    return file_state


def _settings(**changes: Any) -> Plant:
    """A source forgets what its config says."""

    def make(original: Any) -> Any:
        def init(self: Any, config: Any, *place: Any) -> None:
            original(self, config.model_copy(update=changes), *place)

        return init

    return replaced("sources.base:FileSource.__init__", make)


def _cut_early(original: Any) -> Any:
    def last_line(node: Any) -> int:
        last: int = original(node)
        first = node.start_point[0] + 1
        return last - 2 if last - first > 2 else last

    return last_line


def _named_as_the_next(original: Any) -> Any:
    def definitions(scope: Any, in_class: bool, forms: Any = None) -> list[Any]:
        found = list(original(scope, in_class, forms))
        return [replace(one, name=other.name) for one, other in zip(found, [*found[1:], *found[:1]], strict=True)]

    return definitions


def _cells_turned_round(original: Any) -> Any:
    def cells_of(notebook: Any) -> list[Any]:
        found = original(notebook)
        return [replace(one, number=other.number) for one, other in zip(found, reversed(found), strict=True)]

    return cells_of


def _rows_swapped(original: Any) -> Any:
    def rows(self: Any, file: Path) -> Iterator[Any]:
        for row in original(self, file):
            if isinstance(row, Row):
                yield Row(row.line, {**row.values, "text": row.values["title"], "title": row.values["text"]})
            else:
                yield row

    return rows


def _last_shard_forgotten(original: Any) -> Any:
    return lambda config: {name: one for name, one in original(config).items() if name != "code-02of03"}


def _last_cut(original: Any) -> Any:
    def list_files(root: Path, globs: Any) -> Any:
        listing = original(root, globs)
        listing.files[:] = listing.files[:-1]
        return listing

    return list_files


def _rename_undone(now: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The file that moved is listed where it was; both names are of one source, in two shards."""
    here = {path: state for path, state in now.items() if path != "moved.py"}
    return here | {path: state for path, state in known.items() if path == "m03.py"}


def _half_away(folder: Path) -> None:
    for file in sorted((folder / "guide").glob("*.md"))[::2]:
        file.unlink()


def _signed_out(folder: Path) -> None:
    """What a crawl gets whose session ended: a page of its own kind, with a number in it."""
    said = "Please sign in with the account of your company to go on, and call the desk where that does not help. "
    for number, file in enumerate(sorted((folder / "guide").glob("*.md"))[::2]):
        titles = [line for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
        file.write_text("\n\n".join(f"{'#' * one.count('#')} Sign in\n\n{said * 3}{7919 * number}" for one in titles))


def _fanned_out(folder: Path) -> None:
    """A join that gives every record three times, with ids of their own."""
    file = folder / "tickets/b.jsonl"
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    again = [{**one, "_id": f"{one['_id']}-{copy}"} for one in records for copy in range(4)]
    file.write_text("".join(json.dumps(one) + "\n" for one in again), "utf-8")


def _half_an_export(folder: Path) -> None:
    file = folder / "tickets/a.jsonl"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _links_to_nothing(folder: Path) -> None:
    for name in ("code/m09.py", "code/m10.py", "code/m11.py"):
        (folder / name).unlink()
        (folder / name).symlink_to(folder / "gone" / name)


def _renamed(folder: Path) -> None:
    for file in (folder / "tickets").iterdir():
        file.rename(file.with_suffix(".bak"))


def _truncated(folder: Path) -> None:
    (folder / "tickets/b.jsonl").write_bytes(b"")


def _other_schema(folder: Path) -> None:
    file = folder / "tickets/b.jsonl"
    file.write_text(file.read_text("utf-8").replace('"text":', '"body":'), "utf-8")


def _commit_before(original: Any) -> Any:
    """What the branch named before, where it named anything."""

    def find_commit(git_dir: Path, ref: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = original(git_dir, "refs/heads/main~1") or original(git_dir, ref)
        return found

    return find_commit


def _last_blob(original: Any) -> Any:
    last: list[bytes] = []

    def read(self: Any, blob: Any) -> bytes:
        last.append(original(self, blob))
        return last[max(0, len(last) - 2)]

    return read


def _one_fewer(original: Any) -> Any:
    def select(*given: Any) -> Any:
        listing, held = original(*given)
        listing.files[:] = listing.files[:-1]
        return listing, held

    return select


MUTANTS = (
    Mutant(
        "a repository at the commit before",
        PLACE,
        replaced("sources.git_commit:find_commit", _commit_before),
        AGREES,
        INCREMENTAL,
    ),
    Mutant("blobs of the file before", PLACE, replaced("sources.git_blobs:BlobReader.read", _last_blob), AGREES, FULL),
    Mutant(
        "a repository's last file is not listed",
        PLACE,
        replaced("sources.git_commit:select", _one_fewer),
        AGREES | SHRUNK,
    ),
    Mutant("one chunk in nine is lost", PLACE, replaced("sources.base:FileSource.read", _lost), AGREES),
    Mutant("every chunk twice, under another id", PLACE, chunks(_twice), AGREES),
    Mutant("texts end after 60 characters", PLACE, each(lambda one, _: replace(one, text=one.text[:60])), AGREES),
    Mutant(
        "every fourth file has the bytes of the one before",
        PLACE,
        replaced("sources.text_decoder:decode", _decoded_before),
        AGREES,
    ),
    Mutant("paths of the file before", PLACE, replaced("sources.base:FileSource.read", _path_before), AGREES),
    Mutant(
        "lines one too low",
        PLACE,
        each(lambda one, _: replace(one, start_line=one.start_line + 1, end_line=one.end_line + 1)),
        AGREES,
    ),
    Mutant(
        "metadata of the record before", PLACE, each(lambda one, last: replace(one, metadata=last.metadata)), AGREES
    ),
    Mutant("titles of the chunk before", PLACE, each(lambda one, last: replace(one, title=last.title)), AGREES),
    Mutant("symbols of the chunk before", PLACE, each(lambda one, last: replace(one, symbol=last.symbol)), AGREES),
    Mutant("every kind is text", PLACE, each(lambda one, _: replace(one, kind="text")), AGREES),
    Mutant("texts of the chunk before", PLACE, each(lambda one, last: replace(one, text=last.text)), AGREES),
    Mutant(
        "a shard of three is left out",
        PLACE,
        replaced("pipeline.ingest.scan:shard_sources", _last_shard_forgotten),
        AGREES | SHRUNK,
    ),
    Mutant("the walk misses every fifth file", PLACE, _walk(lambda number, _: number % 5 != 3), AGREES | SHRUNK),
    Mutant(
        "new files are not seen",
        PLACE,
        _scan(lambda now, known: {p: s for p, s in now.items() if p in known or not known}),
        AGREES,
        INCREMENTAL,
    ),
    Mutant("deleted files stay", PLACE, _scan(lambda now, known: {**known, **now}), AGREES, INCREMENTAL),
    Mutant(
        "a file of the same size is unchanged",
        PLACE,
        replaced("sources.file_scan:file_state", _size_decides),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "an include takes too little",
        "config",
        _settings(include=("m*.py", "page*", "a*", "b*")),
        AGREES | SHRUNK | {"SourceError"},
    ),
    Mutant("the last file of a walk is cut off", PLACE, replaced("sources.file_scan:list_files", _last_cut), AGREES),
    Mutant(
        "a shard is as it was at the build before",
        PLACE,
        _scan(lambda now, known: known if "page00.md" in known else now),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "a rename is taken for unchanged",
        PLACE,
        _scan(_rename_undone),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "times of files are not looked at",
        PLACE,
        _scan(lambda now, known: {p: known.get(p, s) for p, s in now.items()}),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "half of the files go to quarantine",
        PLACE,
        replaced("sources.base:FileSource.read", _half_quarantined),
        AGREES | SHRUNK,
    ),
    Mutant(
        "JSON lines end after 40",
        PLACE,
        replaced("sources.jsonl:read_jsonl", lambda original: lambda file: islice(original(file), 40)),
        AGREES | SHRUNK,
    ),
    Mutant(
        "title and text of records change places",
        PLACE,
        replaced("sources.records:Records.rows", _rows_swapped),
        AGREES,
    ),
    Mutant(
        "UTF-8 is read as Latin-1",
        PLACE,
        replaced("sources.text_decoder:decode", lambda original: lambda data, _: original(data, "latin-1")),
        AGREES,
    ),
    Mutant(
        "the last line of a span is missing",
        PLACE,
        replaced(
            "core.chunking.line_spans:Lines.text",
            lambda original: lambda self, first, last: original(self, first, max(first, last - 1)),
        ),
        AGREES,
    ),
    Mutant(
        "functions of scripts end two lines early",
        PLACE,
        replaced("core.chunking.code_syntax:last_line", _cut_early),
        AGREES,
    ),
    Mutant(
        "functions of scripts are called as the next",
        PLACE,
        replaced("core.chunking.code_syntax:definitions", _named_as_the_next),
        AGREES,
    ),
    Mutant(
        "cells of a notebook the other way round",
        PLACE,
        replaced("core.chunking.notebook:cells_of", _cells_turned_round),
        AGREES,
    ),
    Mutant(
        "ids forget the part",
        PLACE,
        replaced(
            "core.ids:chunk_id",
            lambda original: (
                lambda source, path, symbol, occurrence=0, part=0: original(source, path, symbol, occurrence)
            ),
        ),
        frozenset({"InvalidInput"}),
        FULL,
    ),
    Mutant("max_chars is forgotten", "config", _settings(max_chars=5000), AGREES, FULL),
    Mutant("the metadata columns are forgotten", "config", _settings(metadata=()), AGREES),
    Mutant("the title column is forgotten", "config", _settings(title=None), AGREES),
    Mutant("an exclude pattern takes too much", "config", _settings(exclude=("**/*1.*",)), AGREES | SHRUNK),
    Mutant("half of a mount is away", "environment", on_disk(_half_away), SHRUNK, INCREMENTAL, stale=True),
    Mutant(
        "a sign-in page for half of the pages", "environment", on_disk(_signed_out), SHRUNK, INCREMENTAL, stale=True
    ),
    Mutant("a join that fans out", "environment", on_disk(_fanned_out), SHRUNK, INCREMENTAL, stale=True),
    Mutant("half an export", "environment", on_disk(_half_an_export), SHRUNK, INCREMENTAL, stale=True, equivalent=KEPT),
    Mutant(
        "an emptied export",
        "environment",
        on_disk(_truncated),
        SHRUNK | {"SourceError"},
        INCREMENTAL,
        stale=True,
        equivalent=KEPT,
    ),
    Mutant(
        "an export under other names",
        "environment",
        on_disk(_renamed),
        SHRUNK | {"SourceError"},
        INCREMENTAL,
        stale=True,
    ),
    Mutant(
        "an export with another column name",
        "environment",
        on_disk(_other_schema),
        SHRUNK | {"known_item"},
        INCREMENTAL,
        stale=True,
    ),
    Mutant(
        "links whose target is away",
        "environment",
        on_disk(_links_to_nothing),
        SHRUNK,
        INCREMENTAL,
        stale=True,
        equivalent=KEPT,
    ),
)

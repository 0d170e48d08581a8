"""A second reading of sampled files: each is held against its rows by the evidence that its kind has.

A file that changed since it was ingested is no fault: its recorded sha256 is compared first.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import SourceConfig
from xtr_assets.pipeline.gate import (
    code_evidence,
    config_evidence,
    config_pieces,
    document_evidence,
    folder_evidence,
    heading_order,
    markup_order,
    notebook_evidence,
    python_evidence,
    record_evidence,
    text_evidence,
    workbook_evidence,
)
from xtr_assets.pipeline.gate.asset_evidence import AssetValues
from xtr_assets.pipeline.gate.folder_evidence import Folder, Held
from xtr_assets.pipeline.gate.git_evidence import GitTree
from xtr_assets.pipeline.gate.own_evidence import OwnFiles, own_faults
from xtr_assets.pipeline.gate.path_patterns import kind_of
from xtr_assets.pipeline.gate.second_reader import SecondReader, Unread
from xtr_assets.pipeline.gate.store_evidence import StoredFiles
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets.storage.chunk_files import rows_at, shifted
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.snapshot import Snapshot

# Python files whose definitions are found again: a syntax tree costs ten times what slicing lines does.
SYNTAX_FILES = 150
# Records of one file that are parsed again; that each line has its row is counted over all of them.
RECORDS = 500
# Files whose rows are in memory at a time.
BLOCK_FILES = 256
# Faults that are told of a file.
TOLD_OF_FILE = 3
# Workbooks of which most are in quarantine for nothing.
LEAST_WORKBOOKS = 3
# Git LFS writes fewer.
POINTER_BYTES = 1024

# What lies where a source is, walked a second time.
Listed = AssetValues | Folder | GitTree | OwnFiles | StoredFiles
Place = tuple[str, str]  # shard, path


class FileEvidence:
    """Reads files a second time and holds their rows against them."""

    def __init__(
        self,
        draft: Generation,
        snapshots: Mapping[str, Snapshot],
        sources: Mapping[str, SourceConfig],
        chooser: random.Random,
        held: Mapping[str, Held],
        listed: Mapping[str, Listed],
        reader: SecondReader,
    ) -> None:
        self.draft, self.snapshots, self.sources, self.chooser = draft, snapshots, sources, chooser
        self.held, self.listed, self.reader = held, listed, reader
        self.files = self.skipped = self.rows = self.documents = 0
        self.faults: list[str] = []
        # Documents that ended their second reader: what they say is not known.
        self.unread: list[str] = []
        self.named = code_evidence.NamedFiles()
        self.called = config_pieces.NamedPieces()
        self._trees, self._pages = SYNTAX_FILES, document_evidence.PDF_PAGES
        # Of each workbook, whether it is in quarantine and can be read.
        self._in_vain: list[bool] = []
        self._quarantine: dict[Place, set[int]] = defaultdict(set)
        self._reasons: dict[Place, set[str]] = defaultdict(set)
        for shard, snapshot in snapshots.items():
            for entry in snapshot.quarantine:
                self._quarantine[shard, entry.path].add(entry.line)
                self._reasons[shard, entry.path].add(entry.reason)

    def workbook_faults(self) -> Iterator[str]:
        """Whether most of several workbooks are in quarantine and can be read."""
        if sum(self._in_vain) >= LEAST_WORKBOOKS and 2 * sum(self._in_vain) > len(self._in_vain):
            yield f"{sum(self._in_vain)} of {len(self._in_vain)} workbooks are in quarantine, and can be read"

    def read(self, places: Sequence[Place]) -> None:
        for start in range(0, len(places), BLOCK_FILES):
            block = places[start : start + BLOCK_FILES]
            rows = _rows_of(self.draft, block)
            for place in block:
                self._read_file(place, rows.get(place, []))

    def _read_file(self, place: Place, rows: Sequence[Row]) -> None:
        shard, path = place
        source, recorded = self.sources[shard], self.snapshots[shard].files[path].sha256
        try:
            with self.listed[source.name].reading(path, recorded) as (file, digest):
                found = [] if digest != recorded else list(self._faults(place, file, rows, source))
        except OSError:
            digest, found = "", []
        if digest != recorded or (found and not self._stands(place, recorded)):
            self.skipped += 1
            looked = self.held[source.name].looked.get(shard, 0)
            if digest not in ("", recorded) and self.listed[source.name].was_so(path, looked):
                self.faults.append(f"{source.name}/{path}: {folder_evidence.OTHER_BYTES}")
            return
        self.files += 1
        self.rows += len(rows)
        if found:
            more = f", and {len(found) - TOLD_OF_FILE} more" if len(found) > TOLD_OF_FILE else ""
            self.faults.append(f"{source.name}/{path}: {', '.join(found[:TOLD_OF_FILE])}{more}")

    def _stands(self, place: Place, recorded: str) -> bool:
        """Whether a file is what it was when it was ingested, still: one may be written between two looks at it."""
        shard, path = place
        try:
            with self.listed[self.sources[shard].name].reading(path, recorded) as (_, digest):
                return digest == recorded
        except OSError:
            return False

    def _faults(self, place: Place, file: Path, rows: Sequence[Row], source: SourceConfig) -> Iterator[str]:
        _, path = place
        yield from text_evidence.column_faults(rows, source.name, source.max_chars)
        if len({row["chunk_id"] for row in rows}) < len(rows):
            yield "a chunk_id stands twice"
        quarantined = self._quarantine.get(place, set())
        kind = kind_of(source, path)
        held_as_text = source.kind == "git" or kind in ("text", "code", "config")
        if held_as_text and (found := list(_pointer_faults(file, self._reasons.get(place, set()), rows))):
            yield from found
            return
        if "pointer" in self._reasons.get(place, ()):
            return
        if kind == "own":
            yield from own_faults(file, rows, quarantined)
            return
        if kind == "records":
            listed = self.listed[source.name]
            if path.lower().endswith(workbook_evidence.SUFFIX) and not isinstance(listed, AssetValues):
                yield from self._workbook(place, file, rows, source)
                return
            held = listed.records if isinstance(listed, AssetValues) else file
            yield from record_evidence.record_faults(path, held, rows, quarantined, source, self._records)
            return
        data = file.read_bytes()
        if kind == "text" and document_evidence.kind_of(path):
            self.documents += 1
            try:
                yield from self._document(place, data, rows)
            except Unread as error:
                self.unread.append(f"{source.name}/{path}: {error}")
            return
        if kind == "text" and path.lower().endswith(".ipynb"):
            cells = notebook_evidence.sources_of(data)
            if cells is None or quarantined:
                yield from self._refused(None if cells is None else "", kind, rows, quarantined)
            else:
                yield from notebook_evidence.notebook_faults(path, cells, rows, source.max_chars)
            return
        if kind == "config":
            text = config_evidence.config_text_of(path, data)
        else:
            text = python_evidence.python_text_of(data) if kind == "python" else text_evidence.text_of(data)
        if kind == "code" and text is not None:
            reasons = self._reasons.get(place, set())
            self.named.end(path, reached="unparsable" not in reasons or 0 not in quarantined)
            if quarantined and not rows:
                yield from code_evidence.refusal_faults(path, text, quarantined, reasons)
                return
        if kind == "text" and text is not None and text_evidence.is_armor(path, text):
            text = None
        if text is None or quarantined:
            yield from self._refused(text, kind, rows, quarantined)
            return
        lines = text_evidence.lines_of(text)
        yield from text_evidence.line_faults(lines, rows, source.max_chars)
        yield from text_evidence.whole_faults(lines, text_evidence.runs_of(rows), source.max_chars)
        if kind == "text":
            yield from text_evidence.section_faults(path, lines, rows)
            if path.lower().endswith(text_evidence.MARKDOWN):
                yield from heading_order.order_faults(lines, text_evidence.runs_of(rows))
            yield from markup_order.markup_faults(path, lines, text_evidence.runs_of(rows))
        elif kind == "code":
            yield from code_evidence.code_faults(path, lines, rows)
            self.named.count(path, lines, rows)
        elif kind == "config":
            yield from self.called.faults_of(path, lines, rows, source.max_chars)
        elif self._trees > 0 and rows:
            self._trees -= 1
            tree = python_evidence.tree_of("\n".join(lines))
            if tree is None:
                yield "it has rows, and Python does not parse it"
            else:
                yield from python_evidence.symbol_faults(path, tree, lines, rows)

    def _workbook(self, place: Place, file: Path, rows: Sequence[Row], source: SourceConfig) -> Iterator[str]:
        _, path = place
        self.documents += 1
        yield from document_evidence.want_faults(path, self._reasons.get(place, set()))
        quarantined = self._quarantine.get(place, set())
        try:
            found = list(self.reader.workbook_faults(path, file.read_bytes(), rows, quarantined, source))
            in_vain = found == [workbook_evidence.IN_VAIN]
            self._in_vain.append(in_vain)
            yield from () if in_vain else found
        except Unread as error:
            self.unread.append(f"{source.name}/{path}: {error}")

    def _document(self, place: Place, data: bytes, rows: Sequence[Row]) -> Iterator[str]:
        if reasons := self._reasons.get(place):
            if rows:
                yield f"{len(rows)} rows of a file that cannot be used"
            yield from document_evidence.want_faults(place[1], reasons)
            yield from self.reader.refusal_faults(place[1], data, reasons)
            return
        yield from text_evidence.loose_faults(rows, self.sources[place[0]].max_chars)
        pages = min(self._pages, document_evidence.PAGES_OF_FILE)
        self._pages -= pages if document_evidence.kind_of(place[1]) == document_evidence.PDF else 0
        yield from self.reader.document_faults(place[1], data, rows, pages)

    def _refused(self, text: str | None, kind: str, rows: Sequence[Row], quarantined: set[int]) -> Iterator[str]:
        """What is in quarantine has no rows and cannot be used; what cannot be used is in quarantine."""
        if rows:
            yield f"{len(rows)} rows of a file that cannot be used"
        if not quarantined:
            yield "it is no text, and not in quarantine"
        elif text is not None and (kind != "python" or _parses(text)):
            yield "it is in quarantine and can be read"

    def _records(self, lines: Sequence[int]) -> Sequence[int]:
        return lines if len(lines) <= RECORDS else sorted(self.chooser.sample(lines, RECORDS))


def _parses(text: str) -> bool:
    """Whether Python takes a text for a module with its own newlines and with LF: a last backslash is not the same."""
    return all(python_evidence.tree_of(one) is not None for one in (text, "\n".join(text_evidence.lines_of(text))))


def _pointer_faults(file: Path, reasons: set[str], rows: Sequence[Row]) -> Iterator[str]:
    """What Git LFS keeps elsewhere has no rows, and nothing else is called so."""
    with file.open("rb") as stream:
        head = stream.read(POINTER_BYTES)
    # A text may begin as a pointer does; it is longer, or on one line.
    first, newline, _ = head.partition(b"\n")
    named = first.removesuffix(b"\r") == b"version https://git-lfs.github.com/spec/v1"
    is_pointer = named and bool(newline) and len(head) < POINTER_BYTES
    if "pointer" in reasons and not is_pointer:
        yield "it is said to be a pointer of Git LFS, and is none"
    if is_pointer and rows:
        yield f"{len(rows)} rows of a pointer of Git LFS"


def _rows_of(draft: Generation, places: Iterable[Place]) -> dict[Place, list[Row]]:
    """The live rows of some files, every column, lines as they are served."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for shard, path in places:
        wanted[shard].append(path)
    found: dict[Place, list[Row]] = defaultdict(list)
    for one in draft.segments:
        table = one.segment.chunks()
        named = pc.is_in(table["path"], value_set=pa.array(wanted.get(one.segment.shard, []), pa.string()))
        chosen = named.to_numpy() & draft.live[one.base_row : one.end_row]
        if chosen.any():
            for row in rows_at(shifted(table, one.shifts), np.flatnonzero(chosen)).to_pylist():
                found[one.segment.shard, row["path"]].append(row)
    return found

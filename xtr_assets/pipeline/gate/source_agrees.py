"""Whether rows say what their files say: a sample of files is read again, independently of what made the rows.

Not one function of `sources` or of the chunkers is called: lines are sliced, records parsed, definitions found by a
reading of their own (`text_evidence`, `python_evidence`, `record_evidence`). A file that changed since it was ingested
is no fault: its recorded sha256 is compared first.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import SourceConfig
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.gate import (
    code_evidence,
    document_evidence,
    folder_evidence,
    notebook_evidence,
    python_evidence,
    record_evidence,
    text_evidence,
)
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.folder_evidence import Folder, Held
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.chunk_files import shifted
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.snapshot import Snapshot

# Changed files read again, at most so many and so many bytes of them. Slicing the lines of the whole standard library
# (1,781 files, 66,692 rows) took 0.45 CPU seconds, finding the definitions of 150 of its files again 0.8.
CHANGED_FILES, CHANGED_BYTES = 2000, 64 << 20
# Unchanged ones: a quarter of the changed, so that a small change stays small, within these bounds.
LEAST_UNCHANGED, MOST_UNCHANGED = 16, 200
# Python files whose definitions are found again: a syntax tree costs ten times what slicing lines does.
SYNTAX_FILES = 150
# Records of one file that are parsed again; that each line has its row is counted over all of them.
RECORDS = 500
# Files whose rows are in memory at a time.
BLOCK_FILES = 256
# Faults that are told, of a file and in all.
TOLD_OF_FILE, TOLD = 3, 20

_Place = tuple[str, str]  # shard, path


def check(session: DraftSession) -> Finding:
    """Shards and places of all rows, the files of each source, and every column of the rows of sampled files."""
    draft = session.draft
    snapshots = draft.snapshots()
    sources = {shard: source for source in session.config.sources for shard in shard_names(source)}
    paths = _live_paths(draft)
    faults = [*shard_faults(sources, snapshots), *_place_faults(draft, paths, snapshots, sources)]
    faults += _size_faults(paths, snapshots, sources)
    chooser = random.Random(draft.number)
    changed, unchanged = _strata(draft, session.serving, paths, snapshots, sources, chooser)
    first = _within_bounds(changed, snapshots)
    quota = min(max(len(first) // 4, LEAST_UNCHANGED), MOST_UNCHANGED)
    held = _held(session, snapshots)
    listed = {name: folder_evidence.folder_of(one.config) for name, one in held.items()}
    hashed, of_folders = _folder_faults(session, held, listed)
    faults += of_folders
    reading = _Reading(draft, snapshots, sources, chooser, held, listed)
    reading.read(first)
    of_changed = reading.files
    reading.read(unchanged[:quota])
    sampled = len(first) + len(unchanged[:quota])
    if reading.files * 2 < sampled:
        # Most of the sample changed or went since: others are read in its place.
        reading.read(unchanged[quota : quota + sampled])
    faults += reading.faults
    # Where files changed and not one file could be read again nothing is known, and that is not enough.
    blind = bool(first) and not reading.files
    skipped = f", {reading.skipped} changed or cannot be read since they were ingested" if reading.skipped else ""
    seen = f"{reading.files} files were read again ({of_changed} of {len(changed)} changed ones{skipped})"
    if faults:
        summary = f"rows and sources differ in {len(faults)} places, the first: {faults[0]}"
    elif blind:
        summary = f"not one of {sampled} sampled files is as it was ingested, so that nothing could be compared"
    else:
        summary = f"{seen}; their rows say what they say"
    return Finding(
        passed=not faults and not blind,
        value=float(len(faults)),
        threshold=0.0,
        summary=summary,
        details={
            "files_read": reading.files,
            "files_changed": len(changed),
            "files_changed_read": of_changed,
            "files_skipped": reading.skipped,
            "files_listed": sum(len(one.files) for one in listed.values()),
            "files_hashed": hashed,
            "shards_looked_at": sum(time > 0 for one in held.values() for time in one.looked.values()),
            "rows_compared": reading.rows,
            "faults": faults[:TOLD],
        },
        remedy="`xtr-assets build --full` chunks every file again" if faults or blind else "",
    )


def _held(session: DraftSession, snapshots: Mapping[str, Snapshot]) -> dict[str, Held]:
    """By source, its shards in the draft and when their files were looked at."""
    found = {}
    for source in session.config.sources:
        own = {shard: snapshots[shard] for shard in shard_names(source) if shard in snapshots}
        looked = {shard: session.warehouse.looked_at(shard, one.data_version) for shard, one in own.items()}
        found[source.name] = Held(source, own, looked)
    return found


def _folder_faults(
    session: DraftSession, held: Mapping[str, Held], listed: Mapping[str, Folder]
) -> tuple[int, list[str]]:
    """(files hashed, faults) of each source's folder as a whole."""
    serving, hashed = session.serving, 0
    served = {} if serving is None else serving.snapshots()
    since = 0 if serving is None else int(datetime.fromisoformat(serving.manifest.created_at).timestamp() * 1e9)
    faults: list[str] = []
    for name, one in held.items():
        faults += folder_evidence.listing_faults(one, listed[name])
        faults += folder_evidence.stale_faults(one, listed[name], served)
        count, found = folder_evidence.content_faults(one, listed[name], served, since)
        hashed += count
        faults += found
    return hashed, faults


def shard_names(source: SourceConfig) -> list[str]:
    """The shards of a source, as docs/configuration.md names them: its name, or `name-00of04` and so on."""
    digits = max(2, len(str(source.shards)))
    numbered = [f"{source.name}-{n:0{digits}}of{source.shards:0{digits}}" for n in range(source.shards)]
    return numbered if source.shards > 1 else [source.name]


def shard_faults(sources: Mapping[str, SourceConfig], snapshots: Mapping[str, Snapshot]) -> Iterator[str]:
    """Whether the draft has the shards of the config, each path in the one that its hash says."""
    for shard in sorted(sources.keys() - snapshots.keys()):
        yield f"shard {shard} of the configuration is not in the generation"
    for shard in sorted(snapshots.keys() - sources.keys()):
        yield f"shard {shard} of the generation is not in the configuration"
    for shard in sorted(sources.keys() & snapshots.keys()):
        names = shard_names(sources[shard])
        for path in snapshots[shard].files if len(names) > 1 else ():
            digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
            if (right := names[int.from_bytes(digest, "little") % len(names)]) != shard:
                yield f"{path} lies in shard {shard}, its hash says {right}"


def _live_paths(draft: Generation) -> dict[str, set[tuple[str, str]]]:
    """By shard, every (source, path) that has a live row."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in draft.segments:
        live = pa.array(draft.live[one.base_row : one.end_row])
        rows = one.segment.chunks().select(["source", "path"]).filter(live)
        groups = rows.group_by(["source", "path"]).aggregate([])
        found[one.segment.shard].update(zip(*(groups[name].to_pylist() for name in ("source", "path")), strict=True))
    return found


def _place_faults(
    draft: Generation,
    paths: Mapping[str, set[tuple[str, str]]],
    snapshots: Mapping[str, Snapshot],
    sources: Mapping[str, SourceConfig],
) -> Iterator[str]:
    """Whether every row is of its shard's source and of a file that the shard holds."""
    placed = {one.segment_id: one.shard for one in draft.manifest.segments}
    for one in draft.segments:
        if one.segment.shard != placed[one.segment.segment_id]:
            yield f"segment {one.segment.segment_id} of shard {one.segment.shard} stands under another"
    for shard, held in sorted(paths.items()):
        snapshot, source = snapshots.get(shard), sources.get(shard)
        for name, path in sorted(held):
            if source is not None and name != source.name:
                yield f"{path} in shard {shard} has rows of source {name!r}"
            if snapshot is None or path not in snapshot.files:
                yield f"{path} has rows in shard {shard}, which has no such file"


def _size_faults(
    paths: Mapping[str, set[tuple[str, str]]], snapshots: Mapping[str, Snapshot], sources: Mapping[str, SourceConfig]
) -> Iterator[str]:
    """Whether what was too large to be looked into is, and has no row."""
    for shard in sorted(snapshots.keys() & sources.keys()):
        most = sources[shard].most_bytes
        for path in sorted(_large(snapshots[shard])):
            size = snapshots[shard].files[path].size if path in snapshots[shard].files else 0
            if most is None or size <= most:
                yield f"{path} in shard {shard} was too large with {size} bytes, {most} are allowed"
            if (sources[shard].name, path) in paths.get(shard, ()):
                yield f"{path} in shard {shard} was not looked into, and has rows"


def _large(snapshot: Snapshot) -> set[str]:
    return {entry.path for entry in snapshot.quarantine if entry.reason == "too-large"}


def _strata(
    draft: Generation,
    serving: Generation | None,
    paths: Mapping[str, set[tuple[str, str]]],
    snapshots: Mapping[str, Snapshot],
    sources: Mapping[str, SourceConfig],
    chooser: random.Random,
) -> tuple[list[_Place], list[_Place]]:
    """(files that changed since what serves, or have rows that were written anew; all others), each in random order."""
    before = {} if serving is None else serving.snapshots()
    known = set() if serving is None else {one.segment_id for one in serving.manifest.segments}
    rewritten: set[_Place] = set()
    for one in draft.segments:
        if one.segment.segment_id not in known:
            live = pa.array(draft.live[one.base_row : one.end_row])
            written = pc.unique(one.segment.chunks()["path"].filter(live)).to_pylist()
            rewritten.update((one.segment.shard, path) for path in written)
    changed: list[_Place] = []
    unchanged: list[_Place] = []
    silent: list[_Place] = []
    for shard in sorted(snapshots.keys() & sources.keys()):
        snapshot, old = snapshots[shard], before.get(shard)
        stale = {one.path for one in snapshot.stale} | _large(snapshot)
        told = {path for _, path in paths.get(shard, ())} | {entry.path for entry in snapshot.quarantine}
        for path, file in sorted(snapshot.files.items()):
            if path in stale or file.sha256 == UNREAD_SHA256:
                continue
            place = (shard, path)
            same = old is not None and old.source_fingerprint == snapshot.source_fingerprint
            if place in rewritten or not same or old is None or old.files.get(path) != file:
                changed.append(place)
            else:
                (unchanged if path in told else silent).append(place)
    for places in (changed, unchanged, silent):
        chooser.shuffle(places)
    # Files that say nothing are few and blank; one that is not blank lost its rows.
    return changed, [*silent[:LEAST_UNCHANGED], *unchanged, *silent[LEAST_UNCHANGED:]]


def _within_bounds(places: Sequence[_Place], snapshots: Mapping[str, Snapshot]) -> list[_Place]:
    """The first files that are few and small enough together; one at least."""
    taken: list[_Place] = []
    left = CHANGED_BYTES
    for shard, path in places[:CHANGED_FILES]:
        left -= snapshots[shard].files[path].size
        if left >= 0 or not taken:
            taken.append((shard, path))
    return taken


class _Reading:
    """Reads files a second time and holds their rows against them."""

    def __init__(
        self,
        draft: Generation,
        snapshots: Mapping[str, Snapshot],
        sources: Mapping[str, SourceConfig],
        chooser: random.Random,
        held: Mapping[str, Held],
        listed: Mapping[str, Folder],
    ) -> None:
        self.draft, self.snapshots, self.sources, self.chooser = draft, snapshots, sources, chooser
        self.held, self.listed = held, listed
        self.files = self.skipped = self.rows = 0
        self.faults: list[str] = []
        self._trees, self._pages = SYNTAX_FILES, document_evidence.PDF_PAGES
        self._quarantine: dict[_Place, set[int]] = defaultdict(set)
        self._reasons: dict[_Place, set[str]] = defaultdict(set)
        for shard, snapshot in snapshots.items():
            for entry in snapshot.quarantine:
                self._quarantine[shard, entry.path].add(entry.line)
                self._reasons[shard, entry.path].add(entry.reason)

    def read(self, places: Sequence[_Place]) -> None:
        for start in range(0, len(places), BLOCK_FILES):
            block = places[start : start + BLOCK_FILES]
            rows = _rows_of(self.draft, block)
            for place in block:
                self._read_file(place, rows.get(place, []))

    def _read_file(self, place: _Place, rows: Sequence[Row]) -> None:
        shard, path = place
        source, recorded = self.sources[shard], self.snapshots[shard].files[path].sha256
        file = source.path if source.path.is_file() else source.path / path
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found = [] if digest != recorded else list(self._faults(place, file, rows, source))
        except OSError:
            digest, found = "", []
        if digest != recorded:
            self.skipped += 1
            if digest and self.listed[source.name].was_so(path, self.held[source.name].looked.get(shard, 0)):
                self.faults.append(f"{source.name}/{path}: {folder_evidence.OTHER_BYTES}")
            return
        self.files += 1
        self.rows += len(rows)
        if found:
            more = f", and {len(found) - TOLD_OF_FILE} more" if len(found) > TOLD_OF_FILE else ""
            self.faults.append(f"{source.name}/{path}: {', '.join(found[:TOLD_OF_FILE])}{more}")

    def _faults(self, place: _Place, file: Path, rows: Sequence[Row], source: SourceConfig) -> Iterator[str]:
        _, path = place
        yield from text_evidence.column_faults(rows, source.name, source.max_chars)
        if len({row["chunk_id"] for row in rows}) < len(rows):
            yield "a chunk_id stands twice"
        quarantined = self._quarantine.get(place, set())
        if source.kind == "records":
            yield from record_evidence.record_faults(path, file, rows, quarantined, source, self._records)
            return
        data = file.read_bytes()
        if source.kind == "text" and document_evidence.kind_of(path):
            yield from self._document(place, data, rows)
            return
        if source.kind == "text" and path.lower().endswith(".ipynb"):
            cells = notebook_evidence.sources_of(data)
            if cells is None or quarantined:
                yield from self._refused(None if cells is None else "", source, rows, quarantined)
            else:
                yield from notebook_evidence.notebook_faults(path, cells, rows)
            return
        text = python_evidence.python_text_of(data) if source.kind == "python" else text_evidence.text_of(data)
        if text is None or quarantined:
            yield from self._refused(text, source, rows, quarantined)
            return
        lines = text_evidence.lines_of(text)
        yield from text_evidence.line_faults(lines, rows, source.max_chars)
        if source.kind == "text":
            yield from text_evidence.section_faults(path, lines, rows)
        elif source.kind == "code":
            yield from code_evidence.code_faults(path, lines, rows)
        elif self._trees > 0 and rows:
            self._trees -= 1
            tree = python_evidence.tree_of("\n".join(lines))
            if tree is None:
                yield "it has rows, and Python does not parse it"
            else:
                yield from python_evidence.symbol_faults(path, tree, lines, rows)

    def _document(self, place: _Place, data: bytes, rows: Sequence[Row]) -> Iterator[str]:
        if reasons := self._reasons.get(place):
            if rows:
                yield f"{len(rows)} rows of a file that cannot be used"
            yield from document_evidence.refusal_faults(place[1], data, reasons)
            return
        pages = min(self._pages, document_evidence.PAGES_OF_FILE)
        self._pages -= pages if place[1].lower().endswith(document_evidence.PDF) else 0
        yield from document_evidence.document_faults(place[1], data, rows, pages)

    def _refused(
        self, text: str | None, source: SourceConfig, rows: Sequence[Row], quarantined: set[int]
    ) -> Iterator[str]:
        """What is in quarantine has no rows and cannot be used; what cannot be used is in quarantine."""
        if rows:
            yield f"{len(rows)} rows of a file that cannot be used"
        if not quarantined:
            yield "it is no text, and not in quarantine"
        elif text is not None and (source.kind != "python" or python_evidence.tree_of(text) is not None):
            yield "it is in quarantine and can be read"

    def _records(self, lines: Sequence[int]) -> Sequence[int]:
        return lines if len(lines) <= RECORDS else sorted(self.chooser.sample(lines, RECORDS))


def _rows_of(draft: Generation, places: Iterable[_Place]) -> dict[_Place, list[Row]]:
    """The live rows of some files, every column, lines as they are served."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for shard, path in places:
        wanted[shard].append(path)
    found: dict[_Place, list[Row]] = defaultdict(list)
    for one in draft.segments:
        table = one.segment.chunks()
        named = pc.is_in(table["path"], value_set=pa.array(wanted.get(one.segment.shard, []), pa.string()))
        chosen = named.to_numpy() & draft.live[one.base_row : one.end_row]
        if chosen.any():
            for row in shifted(table, one.shifts).take(pa.array(np.flatnonzero(chosen))).to_pylist():
                found[one.segment.shard, row["path"]].append(row)
    return found

"""`source_agrees`: rows say what their files say. A sample is read again, by other code than made the rows.

Not one function of `sources` or of the chunkers is called: lines are sliced, records parsed, definitions found by a
reading of their own (`file_evidence`, which asks `text_evidence`, `python_evidence`, `record_evidence` and others).
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import SourceConfig
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.gate import asset_evidence, folder_evidence, git_evidence, own_evidence, store_evidence
from xtr_assets.pipeline.gate.file_evidence import FileEvidence, Listed, Place
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.folder_evidence import Held
from xtr_assets.pipeline.gate.path_patterns import most_bytes_of
from xtr_assets.pipeline.gate.second_reader import SecondReader
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.snapshot import Snapshot

# Changed files read again, at most so many and so many bytes of them. Slicing the lines of the whole standard library
# (1,781 files, 66,692 rows) took 0.45 CPU seconds, finding the definitions of 150 of its files again 0.8.
CHANGED_FILES, CHANGED_BYTES = 2000, 64 << 20
# Unchanged ones: a quarter of the changed, so that a small change stays small, within these bounds.
LEAST_UNCHANGED, MOST_UNCHANGED = 16, 200
# Documents of which each one ends its second reader before that is a fault.
LEAST_UNREAD = 3
# Faults that are told in all.
TOLD = 20
REMEDY = (
    '`xtr-assets build --full` (in Dagster: `ingest` with the tag `xtr-assets/afresh: "true"`, then `rebuild`) chunks '
    "every file again"
)


def check(session: DraftSession) -> Finding:
    """Shards and places of all rows, the files of each source, and every column of the rows of sampled files."""
    draft = session.draft
    snapshots = draft.snapshots()
    config = session.config
    sources = {name: source for source in config.sources for name in shard_names(source) if config.keeps(name)}
    paths = _live_paths(draft)
    faults = [*shard_faults(sources, snapshots), *_place_faults(draft, paths, snapshots, sources)]
    faults += _size_faults(paths, snapshots, sources)
    chooser = random.Random(draft.number)
    changed, unchanged = _strata(draft, session.serving, paths, snapshots, sources, chooser)
    first = _within_bounds(changed, snapshots)
    quota = min(max(len(first) // 4, LEAST_UNCHANGED), MOST_UNCHANGED)
    held = _held(session, snapshots)
    listed = {name: _listed(one.config) for name, one in held.items()}
    hashed, of_folders = _folder_faults(session, held, listed)
    faults += of_folders
    with SecondReader() as reader:
        reading = FileEvidence(draft, snapshots, sources, chooser, held, listed, reader)
        reading.read(first)
        of_changed = reading.files
        reading.read(unchanged[:quota])
        sampled = len(first) + len(unchanged[:quota])
        if reading.files * 2 < sampled:
            # Most of the sample changed or went since: others are read in its place.
            reading.read(unchanged[quota : quota + sampled])
    faults += [*reading.faults, *reading.named.faults(), *reading.called.faults(), *reading.workbook_faults()]
    if reading.documents >= LEAST_UNREAD and len(reading.unread) == reading.documents:
        # One that was made to stop a parser is somebody's joke; where all do the reader itself is broken.
        told = f"none of {reading.documents} documents could be read a second time"
        faults.append(f"{told}, the first: {reading.unread[0]}")
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
            "documents_unread": reading.unread[:TOLD],
            "files_nameless": [*reading.named.nameless, *reading.called.nameless][:TOLD],
            "files_listed": sum(len(one.files) for one in listed.values()),
            "files_hashed": hashed,
            "shards_looked_at": sum(time > 0 for one in held.values() for time in one.looked.values()),
            "rows_compared": reading.rows,
            "faults": faults[:TOLD],
        },
        remedy=REMEDY if faults or blind else "",
    )


def _held(session: DraftSession, snapshots: Mapping[str, Snapshot]) -> dict[str, Held]:
    """By source, its shards in the draft and when their files were looked at."""
    found = {}
    for source in session.config.sources:
        own = {shard: snapshots[shard] for shard in shard_names(source) if shard in snapshots}
        looked = {shard: session.warehouse.looked_at(shard, one.data_version) for shard, one in own.items()}
        found[source.name] = Held(source, own, looked)
    return found


def _listed(source: SourceConfig) -> Listed:
    if source.own:
        return own_evidence.own_files_of(source)
    if source.kind == "asset":
        return asset_evidence.asset_values_of(source)
    if source.stored:
        return store_evidence.stored_files_of(source)
    return git_evidence.git_tree_of(source) if source.kind == "git" else folder_evidence.folder_of(source)


def _folder_faults(
    session: DraftSession, held: Mapping[str, Held], listed: Mapping[str, Listed]
) -> tuple[int, list[str]]:
    """(files hashed, faults) of each source's folder as a whole."""
    serving, hashed = session.serving, 0
    served = {} if serving is None else serving.snapshots()
    since = 0 if serving is None else int(datetime.fromisoformat(serving.manifest.created_at).timestamp() * 1e9)
    faults: list[str] = []
    for name, one in held.items():
        place = listed[name]
        if isinstance(place, git_evidence.GitTree):
            faults += git_evidence.tree_faults(one, place)
            faults += git_evidence.stale_faults(one, place, served)
            continue
        if isinstance(place, own_evidence.OwnFiles):
            continue
        if isinstance(place, asset_evidence.AssetValues):
            faults += asset_evidence.asset_faults(one, place)
            continue
        if isinstance(place, store_evidence.StoredFiles):
            faults += store_evidence.store_faults(one, place)
            continue
        faults += folder_evidence.listing_faults(one, place)
        faults += folder_evidence.stale_faults(one, place, served)
        count, found = folder_evidence.content_faults(one, place, served, since)
        hashed += count
        faults += found
    return hashed, faults


def shard_names(source: SourceConfig) -> list[str]:
    """The shards of a source, as docs/configuration.md names them: its name, or `name-00of04` and so on, or
    `name-PARTITION` of those that it lists."""
    if source.partitions is not None:
        return [f"{source.name}-{partition}" for partition in source.partitions]
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
        if sources[shard].partitions is not None:
            yield from asset_evidence.partition_faults(sources[shard], shard, snapshots[shard])
            continue
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
        for path in sorted(_large(snapshots[shard])):
            most = most_bytes_of(sources[shard], path)
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
) -> tuple[list[Place], list[Place]]:
    """(files that changed since what serves, or have rows that were written anew; all others), each in random order."""
    before = {} if serving is None else serving.snapshots()
    known = set() if serving is None else {one.segment_id for one in serving.manifest.segments}
    rewritten: set[Place] = set()
    for one in draft.segments:
        if one.segment.segment_id not in known:
            live = pa.array(draft.live[one.base_row : one.end_row])
            written = pc.unique(one.segment.chunks()["path"].filter(live)).to_pylist()
            rewritten.update((one.segment.shard, path) for path in written)
    changed: list[Place] = []
    unchanged: list[Place] = []
    silent: list[Place] = []
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


def _within_bounds(places: Sequence[Place], snapshots: Mapping[str, Snapshot]) -> list[Place]:
    """The first files that are few and small enough together; one at least."""
    taken: list[Place] = []
    left = CHANGED_BYTES
    for shard, path in places[:CHANGED_FILES]:
        left -= snapshots[shard].files[path].size
        if left >= 0 or not taken:
            taken.append((shard, path))
    return taken

"""Writing segments anew without dead rows: rows move, chunk_ids and encodings do not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xtr_assets.core.compaction import SegmentSize, plan_compaction
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.line_shifts import Shift
from xtr_assets.core.name_text import NAMINGS, Naming
from xtr_assets.core.types import Ints, Leg, VectorKind
from xtr_assets.storage.chunk_files import BATCH_ROWS, ChunkWriter, rows_at, shifted
from xtr_assets.storage.encoding_writer import embeddings_writer, names_writer, tokens_writer
from xtr_assets.storage.known_encoders import legs_known
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import SnapshotSegment
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.shard_writer import commit_segment, finished
from xtr_assets.storage.snapshot import (
    Snapshot,
    commit_snapshot,
    current_version,
    known_files,
    looked_at,
    read_snapshot,
    snapshot_version,
)
from xtr_assets.storage.temporary_files import scratch

# shard -> groups of segment ids, each of which becomes one segment.
CompactionPlan = Mapping[str, tuple[tuple[str, ...], ...]]

TOKEN_BLOCK_ROWS = 1024
# What the list of a leg's files begins with.
LEG_OF: Mapping[str, Leg] = {"embeddings": "dense", "tokens": "tokens"}


@dataclass(frozen=True)
class Compacted:
    """What became of a shard: `replaced` lie on until collected, for the generations that use them."""

    shard: str
    snapshot: Snapshot
    replaced: tuple[str, ...]
    written: tuple[Segment, ...]


def plan_shards(
    layout: Layout, shards: Sequence[str], *, erase: bool = False
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The shards that have something to compact, with the groups. erase : whatever has a dead row."""
    plan = {}
    for shard in shards:
        snapshot = _current(layout, shard)
        sizes = [SegmentSize(one.segment_id, one.rows, one.live_rows) for one in snapshot.segments]
        if groups := plan_compaction(sizes, erase=erase):
            plan[shard] = groups
    return plan


def compact_shard(layout: Layout, shard: str, groups: Sequence[Sequence[str]]) -> Compacted:
    """Write each group as one segment with the encodings all of it has, then the snapshot that names them.

    `content` of the snapshot stays; generations built from it are gated and published like any other.
    """
    snapshot = _current(layout, shard)
    known = {one.segment_id for one in snapshot.segments}
    named = [segment_id for group in groups for segment_id in group]
    if unknown := sorted(set(named) - known):
        raise InvalidInput(f"shard {shard} has no segment {unknown[0]} now; plan again, it changed meanwhile")
    if len(set(named)) != len(named):
        raise InvalidInput(f"shard {shard}: a segment stands in two groups of the plan {[list(g) for g in groups]}")
    written = [_merge(layout, snapshot, group) for group in groups]
    kept = [one for one in snapshot.segments if one.segment_id not in set(named)]
    added = [SnapshotSegment(segment_id=one.segment_id, rows=one.rows) for one in written]
    segments = (*kept, *added)
    version = snapshot_version(segments, snapshot.stale)
    following = snapshot.model_copy(update={"segments": segments, "format_version": version})
    # A copy keeps what was cached of the original, its data version included.
    following = Snapshot.model_validate(following.model_dump())
    looked_ns = looked_at(layout, shard, snapshot.data_version)
    commit_snapshot(layout, following, known_files(layout, shard), looked_ns)
    return Compacted(shard, following, tuple(named), tuple(written))


def _current(layout: Layout, shard: str) -> Snapshot:
    version = current_version(layout, shard)
    if version is None:
        raise InvalidInput(f"shard {shard} was never written; there is nothing to compact")
    return read_snapshot(layout, shard, version)


@dataclass(frozen=True)
class _Part:
    segment: Segment
    positions: Ints
    shifts: tuple[Shift, ...]


def _merge(layout: Layout, snapshot: Snapshot, group: Sequence[str]) -> Segment:
    shifts = {one.segment_id: one.shifts for one in snapshot.segments}
    parts = [_Part(Segment.open(layout, one), np.flatnonzero(~snapshot.dead_mask(one)), shifts[one]) for one in group]
    with scratch(layout) as folder, ChunkWriter(folder, snapshot.shard) as writer:
        for part in parts:
            for table in _blocks(part):
                writer.append_stored(table)
        merged = commit_segment(layout, folder, finished(folder, snapshot.shard, writer))
    for kind in _encoded_alike(layout, [part.segment for part in parts]):
        fingerprint = kind.fingerprint
        named = [one for one in NAMINGS if "dense" in kind.legs and _named(parts, fingerprint, one)]
        for part in parts:
            _compare(part.segment, _listings(part.segment, kind, named))
        _copy_encodings(parts, merged, kind)
        for naming in named:
            _copy_names(parts, merged, fingerprint, naming)
    return merged


def _compare(segment: Segment, listings: Sequence[str]) -> None:
    """CorruptFile where a file of these lists is not what it was: its copy gets a sha256 of its own, by which a bit
    that flipped would be right from then on."""
    for name in listings:
        listed, folder = segment.listing(name), name.rpartition("/")[0]
        for file in () if listed is None else listed.files:
            segment.verified(f"{folder}/{file}" if folder else file)


def _blocks(part: _Part) -> Iterator[pa.Table]:
    table = shifted(part.segment.chunks(), part.shifts)
    for start in range(0, len(part.positions), BATCH_ROWS):
        yield rows_at(table, part.positions[start : start + BATCH_ROWS])


def _encoded_alike(layout: Layout, segments: Sequence[Segment]) -> list[VectorKind]:
    """Encoders all of whose legs every segment has. What an encoder gives the warehouse knows; of one that no
    generation was made with, its legs are those that any of the segments has: what lacks one is encoded again."""
    made: dict[str, set[Leg]] = {}
    for segment in segments:
        for name in segment.listings():
            leg, listed = LEG_OF.get(name.split(".")[0]), segment.listing(name)
            if leg is not None and listed is not None:
                made.setdefault(listed.made_by, set()).add(leg)
    known = legs_known(layout)
    kinds = [VectorKind(one, known.get(one, frozenset(legs))) for one, legs in sorted(made.items())]
    return [kind for kind in kinds if all(segment.has_vectors(kind) for segment in segments)]


def _listings(segment: Segment, kind: VectorKind, named: Sequence[Naming]) -> list[str]:
    own = segment.encoding_listings(kind)
    return own + [one for naming in named for one in segment.encoding_listings(kind, names=naming) if one not in own]


def _named(parts: Sequence[_Part], fingerprint: str, naming: Naming) -> bool:
    return all(part.segment.has_names(fingerprint, naming) for part in parts)


def _copy_names(parts: Sequence[_Part], merged: Segment, fingerprint: str, naming: Naming) -> None:
    if merged.has_names(fingerprint, naming):
        return
    with names_writer(merged, fingerprint, parts[0].segment.names(fingerprint, naming).shape[1], naming) as names:
        for part in parts:
            stored = part.segment.names(fingerprint, naming)
            hashes = part.segment.name_hashes(fingerprint, naming)
            for start in range(0, len(part.positions), BATCH_ROWS):
                positions = part.positions[start : start + BATCH_ROWS]
                names.append(stored[positions], hashes[positions])


def _copy_encodings(parts: Sequence[_Part], merged: Segment, kind: VectorKind) -> None:
    fingerprint = kind.fingerprint
    if "dense" in kind.legs and not merged.has_embeddings(fingerprint):
        dim = parts[0].segment.embeddings(fingerprint).shape[1]
        with embeddings_writer(merged, fingerprint, dim) as embeddings:
            for part in parts:
                stored = part.segment.embeddings(fingerprint)
                for start in range(0, len(part.positions), BATCH_ROWS):
                    embeddings.append(stored[part.positions[start : start + BATCH_ROWS]])
    if "tokens" not in kind.legs or merged.has_tokens(fingerprint):
        return
    dim = parts[0].segment.tokens(fingerprint).tokens.shape[1]
    with tokens_writer(merged, fingerprint, dim) as tokens:
        for part in parts:
            arrays = part.segment.tokens(fingerprint)
            for start in range(0, len(part.positions), TOKEN_BLOCK_ROWS):
                positions = part.positions[start : start + TOKEN_BLOCK_ROWS]
                counts = arrays.offsets[positions + 1] - arrays.offsets[positions]
                # The tokens of the chosen rows: each row's first token, repeated, plus 0, 1, 2 ... within the row.
                within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
                chosen = np.repeat(arrays.offsets[positions], counts) + within
                tokens.append(arrays.tokens[chosen], arrays.scales[chosen], counts, arrays.token_ids[chosen])

"""`rows_everywhere`: the live rows are one set, wherever rows are listed. Exact, no statistics.

Each place is read from its own file by a reader that shares nothing with its writer: snapshots and the
indexes' own JSON as it is, tombstones and lists as raw arrays, id_map.parquet and chunks.parquet by Arrow, dense.faiss
by its entries.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.types import Ints, Leg, Mask
from xtr_assets.index.dense.census import FORGOTTEN, take_census
from xtr_assets.pipeline.derive.neighbor_lists import neighbor_files
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.listed_rows import exact_list_faults, lexical_faults, posting_faults
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.storage.draft import TOKEN_INDEX, Draft
from xtr_assets.storage.generation import TOMBSTONES_NAME
from xtr_assets.storage.id_map import ID_MAP_NAME

NAME = "rows_everywhere"
# Rows named for each difference: enough to see which file or batch they come from.
MOST_NAMED = 5
# Numbers of an entry of the id map without a name of a segment, and of a segment that no entry names.
UNNAMED, NO_NAME = -1, -2
# What a generation has of each leg, beside what lies in its segments.
OF_LEGS: Mapping[Leg, tuple[str, ...]] = {
    "dense": (DENSE_FILE, *neighbor_files("dense")),
    "tokens": (TOKEN_INDEX, *neighbor_files("xtr")),
}
REMEDY = "build again with --full; if it comes back, this is a defect of xtr-assets: report it with these rows"


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows int64 [n] about which one place and the snapshots disagree."""

    what: str
    rows: Ints

    def as_json(self, chunk_ids: Ints) -> dict[str, Any]:
        named = self.rows[:MOST_NAMED].tolist()
        ids = [int(chunk_ids[row]) if 0 <= row < len(chunk_ids) else -1 for row in named]
        return {"what": self.what, "count": len(self.rows), "rows": named, "chunk_ids": ids}


def check(session: DraftSession) -> Finding:
    """Live rows of the snapshots = tombstones = id map = entries in FAISS = documents in postings = rows in lexical
    postings; exact lists name no other. Of a leg that the manifest says is not there, nothing may be there. `value` is
    the number of rows that differ."""
    draft = session.draft
    live, lost = snapshot_rows(draft)
    chunk_ids, differences = id_map_faults(draft, live)
    masked = 0
    differences += [*lost, *tombstone_faults(draft, live)]
    vouched = vouched_for(session)
    for leg, files in OF_LEGS.items():
        if leg not in draft.legs:
            there = [name for name in files if any(_of_leg(draft, name))]
            differences += [Difference(f"live rows of {name}, and {leg} is no leg", live_rows(live)) for name in there]
    if "dense" in draft.legs:
        faults, masked = faiss_faults(draft, live)
        differences += faults
    if "tokens" in draft.legs:
        differences += [Difference(*fault) for fault in posting_faults(session, live, vouched)]
    differences += [Difference(*fault) for fault in lexical_faults(draft, live, vouched)]
    differences += [Difference(*fault) for fault in exact_list_faults(draft, live, session.config.recall.k)]
    count = sum(len(one.rows) for one in differences)
    rows = int(live.sum())
    places = ["FAISS"] * ("dense" in draft.legs) + ["postings of tokens"] * ("tokens" in draft.legs)
    summary = (
        f"{rows} live rows stand alike in snapshots, tombstones, id map, {', '.join(places)}, postings of words and "
        "exact lists"
    )
    if differences:
        first = differences[0]
        named = ", ".join(map(str, first.rows[:MOST_NAMED].tolist()))
        summary = (
            f"{count} rows of {rows} differ between the places that list them (0 may): "
            f"{first.what}: {len(first.rows)} rows (first: {named})"
            + (f", and {len(differences) - 1} more differences" if len(differences) > 1 else "")
        )
    return Finding(
        passed=not differences,
        value=float(count),
        threshold=0.0,
        summary=summary,
        details={
            "rows": rows,
            "differences": [one.as_json(chunk_ids) for one in differences],
            # A graph cannot forget a node: its number is -1, or the mask of live rows covers it.
            "masked_in_graph": masked,
            "segments": len(draft.manifest.segments),
            "postings_vouched_for": len(vouched),
        },
        remedy=REMEDY if differences else "",
    )


def live_rows(live: Mask) -> Ints:
    """The rows that live; of an empty index one that stands for the file."""
    return np.flatnonzero(live) if live.any() else np.arange(1)


def _of_leg(draft: Draft, name: str) -> Iterator[bool]:
    own = draft.layout.relative(draft.directory)
    return (one == f"{own}/{name}" or one.startswith(f"{own}/{name}/") for one in draft.manifest.files)


def snapshot_rows(draft: Draft) -> tuple[Mask, list[Difference]]:
    """bool [end_row]: rows that the snapshots call live, at the places the manifest gives; what has no place."""
    live = np.zeros(draft.end_row, np.bool_)
    placed = {one.segment_id: one for one in draft.manifest.segments}
    differences = []
    for shard, version in sorted(draft.manifest.snapshots.items()):
        described = json.loads(draft.layout.snapshot(shard, version).read_bytes())
        for one in described["segments"]:
            alive = np.ones(one["rows"], np.bool_)
            for start, stop in one.get("dead", ()):
                alive[start:stop] = False
            place = placed.pop(one["segment_id"], None)
            if place is None or place.rows != one["rows"] or place.base_row + place.rows > draft.end_row:
                what = f"live positions of segment {one['segment_id']} of shard {shard}, which has no place"
                differences.append(Difference(what, np.flatnonzero(alive)))
                continue
            live[place.base_row : place.base_row + place.rows] |= alive
    for one in placed.values():
        what = f"rows of segment {one.segment_id}, which no snapshot names"
        differences.append(Difference(what, np.arange(one.base_row, one.base_row + one.rows)))
    return live, differences


def tombstone_faults(draft: Draft, live: Mask) -> Iterator[Difference]:
    """The mask that every search obeys."""
    packed = np.load(draft.path(TOMBSTONES_NAME), allow_pickle=False)
    bits = np.unpackbits(np.asarray(packed, np.uint8), bitorder="little")
    if len(bits) < len(live):
        yield Difference("rows beyond the tombstones", np.arange(len(bits), len(live)))
        bits = np.concatenate([bits, np.ones(len(live) - len(bits), np.uint8)])
    yield from _unlike(bits[: len(live)] == 0, live, "the tombstones")


def id_map_faults(draft: Draft, live: Mask) -> tuple[Ints, list[Difference]]:
    """(chunk_ids int64 [end_row] by the map, -1 where it has none; differences): rows, chunk_ids and positions against
    chunks.parquet."""
    table = pq.read_table(draft.path(ID_MAP_NAME))
    rows, ids = table["row"].to_numpy(), table["chunk_id"].to_numpy()
    said, positions = table["live"].to_numpy(zero_copy_only=False), table["position"].to_numpy()
    names, which = _named(table["segment"])
    differences = []
    inside = (rows >= 0) & (rows < len(live))
    if not inside.all():
        differences.append(Difference("rows of the id map out of range", rows[~inside]))
        rows, ids, said, positions, which = (one[inside] for one in (rows, ids, said, positions, which))
    if len(twice := _repeated(rows)):
        differences.append(Difference("rows that the id map lists twice", twice))
    mapped, chunk_ids = np.zeros(len(live), np.bool_), np.full(len(live), -1, np.int64)
    mapped[rows[said]], chunk_ids[rows] = True, ids
    differences += _unlike(mapped, live, "the id map")
    alive = rows[said]
    order = np.argsort(ids[said], kind="stable")
    same = np.flatnonzero(np.diff(ids[said][order]) == 0)
    if len(same):
        differences.append(Difference("live rows of a chunk_id that another live row has", alive[order[same + 1]]))
    wrong = []
    for one in draft.manifest.segments:
        there = (rows >= one.base_row) & (rows < one.base_row + one.rows)
        place = rows[there] - one.base_row
        true_ids = _parquet_ids(draft, one.segment_id, one.rows)
        bad = (true_ids[place] != ids[there]) | (positions[there] != place)
        bad |= which[there] != names.get(one.segment_id, NO_NAME)
        wrong.append(rows[there][bad])
    if len(bad_rows := np.concatenate(wrong or [np.empty(0, np.int64)])):
        differences.append(Difference("rows whose chunk_id or position in the id map is not the segment's", bad_rows))
    return chunk_ids, differences


def _named(segments: pa.ChunkedArray) -> tuple[dict[str, int], Ints]:
    """(a number for each name, int64 [n] the number of each entry): a million names are not made into texts."""
    plain = segments if pa.types.is_dictionary(segments.type) else segments.dictionary_encode()
    # Two chunks may number the same names otherwise, and a file that is wrong may name one twice.
    names: dict[str, int] = {}
    parts = [np.empty(0, np.int64)]
    for chunk in plain.chunks:
        numbers = [names.setdefault(name, len(names)) for name in chunk.dictionary.to_pylist()]
        # The last one is that of an entry without a name.
        parts.append(np.array([*numbers, UNNAMED], np.int64)[chunk.indices.fill_null(-1).to_numpy()])
    return names, np.concatenate(parts)


def faiss_faults(draft: Draft, live: Mask) -> tuple[list[Difference], int]:
    """Differences, and how many dead entries a graph keeps that the mask covers."""
    try:
        census = take_census(draft.path(DENSE_FILE))
    except RuntimeError as error:
        why = str(error).rsplit(": ", 1)[-1][:200]
        return [Difference(f"live rows of a FAISS file that cannot be read ({why})", np.flatnonzero(live))], 0
    differences = [Difference(f"entries of FAISS: {one}", np.arange(1)) for one in census.problems]
    rows = census.rows
    masked = 0
    if not census.forgets:
        masked = int((rows == FORGOTTEN).sum())
        rows = rows[rows != FORGOTTEN]
    inside = (rows >= 0) & (rows < len(live))
    if not inside.all():
        differences.append(Difference("rows in FAISS out of range", np.unique(rows[~inside])))
        rows = rows[inside]
    counts = np.bincount(rows, minlength=len(live))
    if (counts > 1).any():
        differences.append(Difference("rows that FAISS holds more than once", np.flatnonzero(counts > 1)))
    held = counts > 0
    if not census.forgets:
        # The graph's dead that kept their numbers: search masks them.
        covered = held & ~live
        masked, held = masked + int(covered.sum()), held & live
    return differences + list(_unlike(held, live, "FAISS")), masked


def vouched_for(session: DraftSession) -> frozenset[str]:
    """Segments whose rows and postings the parent's own passing record is about: the same bytes, by sha256."""
    parent, draft = session.parent, session.draft
    record = None if parent is None else parent.manifest.checks.get(NAME)
    if parent is None or record is None or not record.passed or parent.manifest.forced is not None:
        return frozenset()
    before, now = _by_segment(parent.manifest.files), _by_segment(draft.manifest.files)
    return frozenset(one for one, files in now.items() if before.get(one) == files)


def _by_segment(files: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, record in files.items():
        parts = name.split("/")
        if parts[0] == "segments":
            found.setdefault(parts[1], {})[name] = record.sha256
    return found


def _parquet_ids(draft: Draft, segment_id: str, rows: int) -> Ints:
    path = draft.layout.segment(segment_id) / "chunks.parquet"
    found = np.asarray(pq.read_table(path, columns=["chunk_id"])["chunk_id"].to_numpy(), np.int64)
    # A segment of another length has no id in common: every row of it differs.
    return found if len(found) == rows else np.full(rows, -1, np.int64)


def _unlike(there: Mask, live: Mask, place: str) -> Sequence[Difference]:
    missing, extra = np.flatnonzero(live & ~there), np.flatnonzero(there & ~live)
    pairs = ((missing, f"live rows that {place} lacks"), (extra, f"dead rows that {place} has"))
    return [Difference(what, rows) for rows, what in pairs if len(rows)]


def _repeated(rows: Ints) -> Ints:
    ordered = np.sort(rows)
    twice: Ints = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return twice

"""`hits_are_whole`: a hit shows the chunk that was found, all of it.

Hits come from the memory-mapped chunks.arrow; they are held against chunks.parquet, which another writer wrote, at the
segment and position that id_map.parquet gives for the row.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.errors import InvalidInput, StorageError
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.answer import hydrated, rank
from xtr_assets.search.hits import Hit
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.id_map import ID_MAP_NAME

K = 10
# Queries of the gate whose hits are read, of each stratum, and rows beside them: ends of segments, of batches, of
# shifts. A hit takes 0.1 ms to hydrate; a row group of Parquet that is read for one takes some ms.
QUERIES, ROWS_BESIDE, GROUPS = 24, 256, 96
# Columns of a hit that are compared as they are. Title and text are compared by their hash.
COMPARED = ("chunk_id", "source", "path", "symbol", "kind", "part", "start_line", "end_line")
COLUMNS = (*COMPARED, "metadata", "text_hash")
REMEDY = "build again with --full; if it comes back, the segment is damaged, or xtr-assets has a defect: report it"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A hit that is not the chunk at its row."""

    row: int
    column: str
    shown: str
    stored: str

    def as_json(self) -> dict[str, Any]:
        return {"row": self.row, "column": self.column, "shown": self.shown[:80], "stored": self.stored[:80]}


def check(session: DraftSession) -> Finding:
    """Hydrated hits of the gate's queries, and rows at every seam, are the canonical chunks. `value` is the number of
    hits that are not."""
    try:
        with session.searcher().opened() as opened:
            shown = _found(session, opened)
            asked = len({row for row, _ in shown})
            shown += _beside(session.draft, opened)
    except (InvalidInput, StorageError) as error:
        return Finding(False, None, 0.0, f"the draft cannot be searched: {error}", {"hits": 0}, REMEDY)
    if not shown:
        if session.draft.live_rows:
            why = f"{session.draft.live_rows} live rows, and none was hydrated"
            return Finding(False, None, 0.0, why, {"hits": 0}, REMEDY)
        return Finding(True, 0.0, 0.0, "no live row: there is no hit to look at", {"hits": 0})
    wrong, compared = _compared(session.draft, dict(shown))
    bad = sorted({one.row for one in wrong})
    summary = f"{compared} hydrated rows ({asked} of them hits of queries) show their chunk, each column of it"
    if bad:
        one = wrong[0]
        summary = (
            f"{len(bad)} of {compared} hydrated rows do not show their chunk (0 may): row {one.row} shows {one.column} "
            f"{one.shown[:80]!r}, stored is {one.stored[:80]!r}"
        )
    details = {"hits": asked, "rows": compared, "wrong": [one.as_json() for one in wrong[:10]]}
    return Finding(not bad, float(len(bad)), 0.0, summary, details, REMEDY if bad else "")


def _found(session: DraftSession, opened: OpenGeneration) -> list[tuple[int, Hit]]:
    """(row, hit) of hybrid answers to the gate's queries: ranked and hydrated as for users."""
    gate = session.queries()
    numbers: list[int] = []
    for stratum in sorted({query.stratum for query in gate.queries}):
        numbers += np.flatnonzero([query.stratum == stratum for query in gate.queries])[:QUERIES].tolist()
    asked = [
        QueryVectors(gate.embeddings[i], gate.tokens[i], terms=tuple(query_terms(gate.queries[i].text)))
        for i in numbers
    ]
    if not asked or not session.draft.live_rows:
        return []
    rankings = rank(opened, asked, Ask.checked(SearchOptions(K), "hybrid", None), Timing())
    hits = hydrated(opened, rankings, Timing())
    return [
        (row, hit)
        for ranking, own in zip(rankings, hits, strict=True)
        for row, hit in zip(ranking.rows.tolist(), own, strict=True)
    ]


def _beside(draft: Draft, opened: OpenGeneration) -> list[tuple[int, Hit]]:
    """(row, hit) of live rows at the seams: what slips by one shows there."""
    rows = seams(draft)
    return [(row, Hit.of(columns, 0.0, {})) for row, columns in zip(rows, opened.hydrator.rows(rows), strict=True)]


def seams(draft: Draft) -> list[int]:
    """Live rows at the ends of segments, Arrow batches and line shifts, ROWS_BESIDE at most, spread over all."""
    found: set[int] = set()
    for one in draft.segments:
        batch = one.segment.info.batch_rows
        cuts = {0, one.segment.rows, *range(batch, one.segment.rows, batch)}
        cuts |= {cut for start, stop, _ in one.shifts for cut in (start, stop)}
        inside = {at for cut in cuts for at in (cut - 1, cut) if 0 <= at < one.segment.rows}
        found |= {one.base_row + at for at in inside if draft.live[one.base_row + at]}
    rows = sorted(found)
    if len(rows) <= ROWS_BESIDE:
        return rows
    return [rows[at] for at in np.linspace(0, len(rows) - 1, ROWS_BESIDE).astype(int).tolist()]


def _compared(draft: Draft, shown: dict[int, Hit]) -> tuple[list[Wrong], int]:
    """What is wrong, and how many rows were compared: those of the first GROUPS row groups of each kind of segment."""
    table = pq.read_table(draft.path(ID_MAP_NAME))
    rows = np.array(sorted(shown), np.int64)
    at = np.searchsorted(mapped := table["row"].to_numpy(), rows)
    known = (at < len(mapped)) & (mapped[np.minimum(at, max(len(mapped) - 1, 0))] == rows) if len(mapped) else rows < 0
    wrong = [Wrong(row, "row", str(row), "no row of the id map") for row in rows[~known].tolist()]
    rows, place = rows[known], table.take(pa.array(at[known])).to_pylist()
    shifts = {one.segment_id: one.shifts for one in draft.manifest.segments}
    by_segment: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for row, entry in zip(rows.tolist(), place, strict=True):
        by_segment.setdefault(entry["segment"], []).append((row, entry))
    compared, groups = len(wrong), GROUPS
    for name, entries in sorted(by_segment.items(), key=lambda item: -max(row for row, _ in item[1])):
        stored, read = _canonical(draft, name, [entry["position"] for _, entry in entries], groups)
        groups = max(1, groups - read)
        for row, entry in entries:
            chunk = stored.get(entry["position"])
            if chunk is None:
                continue
            compared += 1
            if not entry["live"]:
                wrong.append(Wrong(row, "live", "a hit", "a dead row"))
            wrong += _differences(row, shown[row], chunk, entry, shifts.get(name, ()))
    return wrong, compared


def _canonical(draft: Draft, segment_id: str, positions: Sequence[int], most: int) -> tuple[dict[int, Any], int]:
    """Chunks of chunks.parquet by position, from at most so many row groups; how many were read."""
    file = pq.ParquetFile(draft.layout.segment(segment_id) / "chunks.parquet")
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    wanted: Ints = np.array(sorted(positions), np.int64)
    owner = np.searchsorted(bounds, wanted, side="right") - 1
    found: dict[int, Any] = {}
    chosen = np.unique(owner)
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).astype(int))]
    for number in chosen.tolist():
        if number >= len(sizes):
            continue
        mine = wanted[owner == number]
        part = file.read_row_group(number, columns=list(COLUMNS)).take(pa.array(mine - bounds[number]))
        found |= dict(zip(mine.tolist(), part.to_pylist(), strict=True))
    found |= {at: {} for at in wanted[owner >= len(sizes)].tolist()}
    return found, len(chosen)


def _differences(
    row: int, hit: Hit, chunk: dict[str, Any], entry: dict[str, Any], shifts: Sequence[tuple[int, int, int]]
) -> list[Wrong]:
    if not chunk:
        return [Wrong(row, "position", str(entry["position"]), "beyond the segment's chunks")]
    moved = sum(by for start, stop, by in shifts if start <= entry["position"] < stop)
    stored = {name: chunk[name] for name in COMPARED}
    stored |= {name: stored[name] + moved for name in ("start_line", "end_line")}
    wrong = [
        Wrong(row, name, str(getattr(hit, name)), str(value))
        for name, value in stored.items()
        if getattr(hit, name) != value
    ]
    if entry["chunk_id"] != chunk["chunk_id"]:
        wrong.append(Wrong(row, "chunk_id of the id map", str(entry["chunk_id"]), str(chunk["chunk_id"])))
    encoded = f"{hit.title}\n{hit.text}" if hit.title else hit.text
    hashed = hashlib.blake2b(encoded.encode("utf-8"), digest_size=16).hexdigest()
    if hashed != chunk["text_hash"].hex():
        wrong.append(Wrong(row, "text", f"{hit.text[:60]} (hash {hashed[:8]})", f"hash {chunk['text_hash'].hex()[:8]}"))
    if dict(hit.metadata) != json.loads(chunk["metadata"]):
        wrong.append(Wrong(row, "metadata", json.dumps(dict(hit.metadata)), chunk["metadata"]))
    return wrong

"""Rows as analysis sees them, against the segments' Arrow files: the catalog reads Parquet, joins and adds shifts."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation

# Of every row these are compared: numbers, cheap to read, and all that a join or a shift can mix up.
NUMBERS = ("row", "chunk_id", "part", "start_line", "end_line", "position")
# Of so many rows, and of so many segments at most, every column is compared: reading texts costs most. Between the ends
# of a segment they are neighbours: 55 rows of 100,000 take 39 CPU ms so, and 97 where each lies in a row group of its
# own, which DuckDB unpacks for it.
WHOLE_ROWS, WHOLE_SEGMENTS = 48, 6
TEXTS = ("source", "path", "symbol", "kind", "title", "text", "metadata")


@dataclass(slots=True)
class Compared:
    """rows : compared by their numbers, with so many different chunk_ids. whole : compared in every column."""

    rows: int = 0
    distinct: int = 0
    whole: int = 0
    problems: list[Problem] = field(default_factory=list)


def compare(draft: Generation, connection: Any) -> Compared:
    """Every live row's ids, lines and place; every column of a sample."""
    # Put in order here: DuckDB takes twice as long where it is to.
    told = connection.execute(f"SELECT {', '.join(NUMBERS)} FROM chunks").fetchnumpy()
    order = np.argsort(told["row"], kind="stable")
    told = {name: values[order] for name, values in told.items()}
    # Sorted: numpy's unique takes eighty times as long for a million.
    ids = np.sort(told["chunk_id"])
    found = Compared(rows=len(ids), distinct=len(ids) - int((ids[1:] == ids[:-1]).sum()))
    expected = _numbers(draft)
    for name in NUMBERS:
        theirs, mine = told[name], expected[name]
        if len(theirs) != len(mine):
            found.problems.append(Problem(name, f"{len(mine)} live rows of the segments", f"{len(theirs)}"))
            break
        # Where the catalog says NULL nothing is equal: a masked array leaves it out.
        wrong = np.flatnonzero((np.ma.getdata(theirs) != mine) | np.ma.getmaskarray(theirs))
        if len(wrong):
            at = int(wrong[0])
            where = f"{mine[at]} at row {expected['row'][at]} by the segment, {len(wrong)} rows differ"
            found.problems.append(Problem(name, where, f"{theirs[at]} by the catalog"))
    _compare_whole(draft, connection, found)
    _compare_lists(draft, connection, found)
    return found


def _compare_lists(draft: Generation, connection: Any, found: Compared) -> None:
    """What the views of files, segments and quarantine tell, all of it, against the snapshots and the manifest."""
    for view, (columns, expected) in _lists(draft).items():
        told = Counter(connection.execute(f"SELECT {', '.join(columns)} FROM {view}").fetchall())
        mine = Counter(expected)
        if told != mine:
            lacking, more = next(iter(mine - told), None), next(iter(told - mine), None)
            found.problems.append(Problem(view, f"{lacking} by the manifest"[:300], f"{more} by the catalog"[:300]))


def _lists(draft: Generation) -> dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """By view, its columns and rows in any order."""
    files, quarantine = [], []
    for shard, snapshot in draft.snapshots().items():
        files += [(shard, path, one.size, one.sha256) for path, one in snapshot.files.items()]
        quarantine += [(shard, q.source, q.path, q.line, q.reason, q.detail) for q in snapshot.quarantine]
    # Not their bytes: indexes of the same run may add files of a segment after the catalog was written.
    segments = []
    for placed in draft.manifest.segments:
        live = int(np.count_nonzero(draft.live[placed.base_row : placed.base_row + placed.rows]))
        segments.append((placed.segment_id, placed.shard, placed.base_row, placed.rows, live))
    return {
        "files": (("shard", "path", "size", "sha256"), files),
        "segments": (("segment", "shard", "base_row", "rows", "live_rows"), segments),
        "quarantine": (("shard", "source", "path", "line", "reason", "detail"), quarantine),
    }


def _numbers(draft: Generation) -> dict[str, Any]:
    """The same of the segments' own files, lines as the manifest shifts them."""
    parts: dict[str, list[Any]] = {name: [np.empty(0, np.int64)] for name in NUMBERS}
    placed = {one.segment_id: one for one in draft.manifest.segments}
    for one in draft.segments:
        table = one.segment.chunks()
        positions = np.flatnonzero(draft.live[one.base_row : one.end_row])
        by = np.zeros(one.segment.rows, np.int64)
        for start, stop, lines in placed[one.segment.segment_id].shifts:
            by[start:stop] += lines
        parts["row"].append(positions + one.base_row)
        parts["position"].append(positions)
        for name in ("chunk_id", "part", "start_line", "end_line"):
            moved = by if name in ("start_line", "end_line") else 0
            parts[name].append((table[name].to_numpy() + moved)[positions])
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _compare_whole(draft: Generation, connection: Any, found: Compared) -> None:
    """Rows at the ends of some segments and between, every column of them."""
    chosen = _chosen_rows(draft)
    if not chosen:
        return
    mine = {
        one.segment.segment_id: rows_at(
            one.segment.chunks().select(TEXTS),
            np.array([row - one.base_row for row in chosen if one.base_row <= row < one.end_row], np.int64),
        ).to_pylist()
        for one in draft.segments
    }
    told = _told(connection, chosen, sorted({row["path"] for rows in mine.values() for row in rows}))
    if len(told) < len(chosen):
        # What stands under another path is told with what else is wrong with it.
        told = _told(connection, chosen, ())
    found.whole += len(told)
    for one in draft.segments:
        name = one.segment.segment_id
        rows = [row for row in chosen if one.base_row <= row < one.end_row]
        positions = [row - one.base_row for row in rows]
        if [told.get(row, (None, None))[:2] for row in rows] != [(name, position) for position in positions]:
            there = sum(row in told for row in rows)
            found.problems.append(Problem("position", f"{len(rows)} rows of {name}", f"{there} others"))
            continue
        for row, own in zip(rows, mine[name], strict=True):
            for column, value in zip(TEXTS, told[row][2:], strict=True):
                if value != own[column]:
                    shown = f"{own[column]!r:.60} at position {row - one.base_row} of {name}"
                    found.problems.append(Problem(column, shown, f"{value!r:.60} by the catalog"))


def _told(connection: Any, rows: Sequence[int], paths: Sequence[str]) -> dict[int, tuple[Any, ...]]:
    """By row: segment, position and texts, of rows that stand under one of the paths where any are given.

    One query for all: DuckDB joins every row for each. Its statistics of paths spare it the texts of other files: 100
    CPU ms of 300,000 rows, 265 without.
    """
    query = f"SELECT row, segment, position, {', '.join(TEXTS)} FROM chunks WHERE row IN ({_listed(rows)})"
    if paths:
        query += f" AND path IN ({', '.join('?' for _ in paths)})"
    return {row[0]: row[1:] for row in connection.execute(query, list(paths)).fetchall()}


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _chosen_rows(draft: Generation) -> list[int]:
    """Live rows, ascending: the ends of some segments and a run of others between."""
    chooser = random.Random(draft.number)
    segments = list(draft.segments)
    # The last came last: what is new is among them.
    chosen = segments if len(segments) <= WHOLE_SEGMENTS else [*chooser.sample(segments[:-3], 3), *segments[-3:]]
    rows: set[int] = set()
    for one in chosen:
        live = one.base_row + np.flatnonzero(draft.live[one.base_row : one.end_row])
        if len(live):
            run = min(len(live), WHOLE_ROWS // len(chosen))
            first = chooser.randrange(len(live) - run + 1)
            rows |= {int(live[0]), int(live[-1]), *live[first : first + run].tolist()}
    return sorted(rows)

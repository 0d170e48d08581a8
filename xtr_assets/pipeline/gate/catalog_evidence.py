"""Rows as analysis sees them, against the segments' Arrow files: the catalog reads Parquet, joins and adds shifts."""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.storage.generation import Generation

# Of every row these are compared: numbers, cheap to read, and all that a join or a shift can mix up.
NUMBERS = ("row", "chunk_id", "part", "start_line", "end_line", "position")
# Of so many rows, and of so many segments at most, every column is compared: reading texts costs most.
WHOLE_ROWS, WHOLE_SEGMENTS = 48, 6
TEXTS = ("source", "path", "symbol", "kind", "title", "text", "metadata")


@dataclass(slots=True)
class Compared:
    """rows : compared by their numbers. whole : compared in every column."""

    rows: int = 0
    whole: int = 0
    problems: list[Problem] = field(default_factory=list)


def compare(draft: Generation, connection: Any) -> Compared:
    """Every live row's ids, lines and place; every column of a sample."""
    told = connection.execute(f"SELECT {', '.join(NUMBERS)} FROM chunks ORDER BY row").fetchnumpy()
    found = Compared(rows=len(told["row"]))
    expected = _numbers(draft)
    for name in NUMBERS:
        theirs, mine = told[name], expected[name]
        if len(theirs) != len(mine):
            found.problems.append(Problem(name, f"{len(mine)} live rows of the segments", f"{len(theirs)}"))
            break
        wrong = np.flatnonzero(theirs != mine)
        if len(wrong):
            at = int(wrong[0])
            where = f"{mine[at]} at row {expected['row'][at]} by the segment, {len(wrong)} rows differ"
            found.problems.append(Problem(name, where, f"{theirs[at]} by the catalog"))
    _compare_whole(draft, connection, found)
    return found


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
    chooser = random.Random(draft.number)
    segments = list(draft.segments)
    # The last came last: what is new is among them.
    chosen = segments if len(segments) <= WHOLE_SEGMENTS else [*chooser.sample(segments[:-3], 3), *segments[-3:]]
    for one in chosen:
        live = np.flatnonzero(draft.live[one.base_row : one.end_row])
        if not len(live):
            continue
        count = min(len(live), WHOLE_ROWS // len(chosen))
        between = chooser.sample(live.tolist(), count)
        positions = sorted({int(live[0]), int(live[-1]), *between})
        query = (
            f"SELECT position, {', '.join(TEXTS)} FROM chunks WHERE segment = ? "
            f"AND row IN ({', '.join(str(one.base_row + at) for at in positions)}) ORDER BY row"
        )
        rows = connection.execute(query, [one.segment.segment_id]).fetchall()
        own = one.segment.chunks().select(TEXTS).take(positions).to_pylist()
        found.whole += len(rows)
        if [row[0] for row in rows] != positions:
            name = one.segment.segment_id
            found.problems.append(Problem("position", f"{len(positions)} rows of {name}", f"{len(rows)} others"))
            continue
        for row, mine in zip(rows, own, strict=True):
            for name, value in zip(TEXTS, row[1:], strict=True):
                if value != mine[name]:
                    told = f"{mine[name]!r:.60} at position {row[0]} of {one.segment.segment_id}"
                    found.problems.append(Problem(name, told, f"{value!r:.60} by the catalog"))

"""Faults in what is stored: rows of a segment, which of them live and where they stand, and segments written anew."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xtr_assets.storage.chunk_files import CHUNK_SCHEMA
from xtr_assets_tests.mutants.fault import COMPACT, INCREMENTAL, Mutant, Plant, locally, replaced

AGREES = frozenset({"source_agrees"})
ROWS = frozenset({"rows_everywhere", "source_agrees"})
TEXTS = frozenset({"vectors_are_the_texts"})
PLACE, COMPACTION = "storage", "compaction"


def _batch(columns: tuple[str, ...]) -> Plant:
    """Some columns of a batch stand one row further up."""

    def make(original: Any) -> Any:
        def batch(block: Any) -> pa.RecordBatch:
            made = original(block)
            order = pa.array(np.roll(np.arange(made.num_rows), -1))
            arrays = [made.column(n).take(order) if n in columns else made.column(n) for n in CHUNK_SCHEMA.names]
            return pa.RecordBatch.from_arrays(arrays, schema=CHUNK_SCHEMA)

        return batch

    return replaced("storage.chunk_files:_batch", make)


def _parquet_backwards(original: Any) -> Any:
    def write(self: Any, batch: pa.RecordBatch) -> None:
        original(self, batch.take(pa.array(np.arange(batch.num_rows)[::-1])))

    return write


def _offsets(original: Any) -> Any:
    def offsets(self: Any) -> Any:
        found = original(self)
        # A boundary moves where the text before it keeps a token.
        found[1:-1] -= np.diff(found)[:-1] > 1
        return found

    return offsets


def _keeps_what_changed(_: Any) -> Any:
    def keep(self: Any, chunk: Any) -> bool:
        place = self._place.get(chunk.chunk_id)
        if place is None:
            return False
        name, position = self._names[place[0]], self._positions[place[0]][place[1]]
        self.dead[name][position] = False
        return True

    return keep


def _metadata_not_compared(original: Any) -> Any:
    def keep(self: Any, chunk: Any) -> bool:
        place = self._place.get(chunk.chunk_id)
        stored = chunk.metadata if place is None else self._row(*place)[0][-1]
        return bool(original(self, replace(chunk, metadata=stored)))

    return keep


def _deleted_files_not_dead(folder: Path) -> AbstractContextManager[Any]:
    def there(path: str) -> bool:
        return any((folder / source / path).exists() for source in ("code", "guide", "tickets"))

    def make(original: Any) -> Any:
        def init(self: Any, layout: Any, previous: Any, paths: Any) -> None:
            original(self, layout, previous, [path for path in paths if there(path)])

        return init

    return replaced("storage.row_match:StandingRows.__init__", make)(folder)


def _live(alter: Callable[[Any, list[Any]], None]) -> Plant:
    """`alter(live, segments)`, in place."""

    def make(original: Any) -> Any:
        def live_mask(placed: Any, dead: Any, end_row: int) -> Any:
            segments = list(placed)
            live = original(segments, dead, end_row)
            alter(live, segments)
            return live

        return live_mask

    return replaced("core.row_placement:live_mask", make)


def _last_inverted(live: Any, segments: list[Any]) -> None:
    live[segments[-1].base_row : segments[-1].end_row] ^= True


def _first_rows_dead(live: Any, segments: list[Any]) -> None:
    live[[one.base_row for one in segments]] = False


def _all_live(live: Any, segments: list[Any]) -> None:
    for one in segments:
        live[one.base_row : one.end_row] = True


def _overlapping(original: Any) -> Any:
    def place(wanted: Any, parent: Any = None) -> Any:
        return original(wanted, None if parent is None else replace(parent, end_row=max(0, parent.end_row - 5)))

    return place


def _part(alter: Callable[[Any, Any, Any], tuple[Any, Any, Any]]) -> Plant:
    """What a compaction takes of a segment: (segment, positions, shifts)."""
    return locally("storage.segment_compaction", "_Part", lambda original: lambda *given: original(*alter(*given)))


def _encodings_rolled(original: Any) -> Any:
    def copy(parts: Any, merged: Any, fingerprint: str) -> None:
        original([replace(one, positions=np.roll(one.positions, 1)) for one in parts], merged, fingerprint)

    return copy


MUTANTS = (
    Mutant(
        "Parquet rows in another order than Arrow's",
        PLACE,
        replaced("storage.chunk_files:ChunkWriter._write_group", _parquet_backwards),
        frozenset({"catalog_consistent", "source_agrees", "rows_everywhere"}),
    ),
    Mutant("texts one row further up, hashes where they were", PLACE, _batch(("text",)), frozenset({"chunks_schema"})),
    Mutant("texts, titles and hashes one row further up", PLACE, _batch(("text", "title", "text_hash")), AGREES),
    Mutant("chunk ids one row further up", PLACE, _batch(("chunk_id",)), AGREES),
    Mutant("paths and lines one row further up", PLACE, _batch(("path", "start_line", "end_line")), AGREES),
    Mutant("metadata one row further up", PLACE, _batch(("metadata",)), AGREES),
    Mutant(
        "token offsets one token early",
        PLACE,
        replaced("storage.encoding_writer:TokensWriter.offsets", _offsets),
        TEXTS,
    ),
    Mutant(
        "line shifts are dropped",
        PLACE,
        replaced("core.line_shifts:shifts_of", lambda _: lambda _by: ()),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "line shifts are doubled",
        PLACE,
        replaced(
            "core.line_shifts:shifts_of", lambda original: lambda by: tuple((a, b, 2 * n) for a, b, n in original(by))
        ),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "line shifts stop one row early",
        PLACE,
        replaced(
            "core.line_shifts:shifts_of",
            lambda original: lambda by: tuple((a, b - 1, n) for a, b, n in original(by) if b - 1 > a),
        ),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "a changed row is kept",
        PLACE,
        replaced("storage.row_match:StandingRows.keep", _keeps_what_changed),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "metadata is not compared",
        PLACE,
        replaced("storage.row_match:StandingRows.keep", _metadata_not_compared),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "no row is ever the same",
        PLACE,
        replaced("storage.row_match:StandingRows.keep", lambda _: lambda _self, _chunk: False),
        frozenset(),
        INCREMENTAL,
        equivalent="rows are written anew with what they held",
    ),
    Mutant("rows of deleted files stay alive", PLACE, _deleted_files_not_dead, AGREES, INCREMENTAL),
    Mutant(
        "runs of dead rows end one early",
        PLACE,
        locally(
            "storage.shard_writer",
            "ranges_of",
            lambda original: lambda mask: tuple((a, b - 1) for a, b in original(mask) if b - 1 > a),
        ),
        AGREES | {"InvalidInput"},
        INCREMENTAL,
    ),
    Mutant("the last segment's live rows are dead", PLACE, _live(_last_inverted), ROWS),
    Mutant("the first row of each segment is dead", PLACE, _live(_first_rows_dead), ROWS),
    Mutant("tombstones are missing", PLACE, _live(_all_live), frozenset({"InvalidInput"}), INCREMENTAL),
    Mutant(
        "segments overlap",
        PLACE,
        replaced("core.row_placement:place", _overlapping),
        frozenset({"InvalidInput"}),
        INCREMENTAL,
    ),
    Mutant(
        "every segment is placed anew",
        PLACE,
        replaced("core.row_placement:place", lambda original: lambda wanted, _parent=None: original(wanted)),
        frozenset(),
        INCREMENTAL,
        equivalent="rows are new, and whatever is derived from them is told so",
    ),
    Mutant(
        "compaction drops the last row of each segment",
        COMPACTION,
        _part(lambda s, p, x: (s, p[:-1], x)),
        ROWS,
        COMPACT,
    ),
    Mutant(
        "compaction keeps dead rows",
        COMPACTION,
        _part(lambda s, p, x: (s, np.arange(s.rows), x)),
        ROWS | {"InvalidInput"},
        COMPACT,
    ),
    Mutant(
        "compaction writes a row twice",
        COMPACTION,
        _part(lambda s, p, x: (s, np.concatenate([p, p[:1]]), x)),
        ROWS | {"InvalidInput"},
        COMPACT,
    ),
    Mutant("compaction forgets line shifts", COMPACTION, _part(lambda s, p, x: (s, p, ())), AGREES, COMPACT),
    Mutant(
        "compaction copies encodings one row further",
        COMPACTION,
        locally("storage.segment_compaction", "_copy_encodings", _encodings_rolled),
        TEXTS,
        COMPACT,
    ),
    Mutant(
        "compaction writes rows backwards",
        COMPACTION,
        _part(lambda s, p, x: (s, p[::-1].copy(), x)),
        frozenset(),
        COMPACT,
        equivalent="the order of rows within a segment means nothing",
    ),
)

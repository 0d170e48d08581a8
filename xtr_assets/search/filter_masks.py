"""Row masks of `where` filters, evaluated over the memory-mapped chunk tables of a generation.

Columns are compared by Arrow's kernels, texts that rows share once for all of them. Metadata is JSON: each distinct
object of a segment is parsed once (most corpora have one, "{}"), its fields become typed arrays, and conditions on them
are evaluated over those.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import numpy as np
import pyarrow as pa

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.line_shifts import Shift
from xtr_assets.core.types import Mask
from xtr_assets.core.where_syntax import COLUMNS, INTEGER_COLUMNS, METADATA_PREFIX, Condition, Where
from xtr_assets.search.distinct_values import DistinctValues, text_matches
from xtr_assets.search.filter_columns import IntegerColumn, MetadataColumns, holds
from xtr_assets.storage.chunk_files import LINE_COLUMNS, shifted

# All masks of one generation together: 128 filters over a million rows. A mask costs 0.5 to 50 ms to make again.
CACHED_MASK_BYTES = 128 * 2**20


class SegmentLike(Protocol):
    """What a filter reads of a segment."""

    @property
    def segment_id(self) -> str: ...
    @property
    def rows(self) -> int: ...
    def chunks(self) -> pa.Table: ...


class PlacedLike(Protocol):
    """A segment at its place in a generation."""

    @property
    def segment(self) -> SegmentLike: ...
    @property
    def base_row(self) -> int: ...
    @property
    def shifts(self) -> Sequence[Shift]: ...


class RowFilters:
    """The filters of one generation: masks over its rows, the last ones kept.

    `previous` hands over what was parsed of segments that this generation shares with an earlier one.
    """

    def __init__(self, placed: Sequence[PlacedLike], live: Mask, previous: "RowFilters | None" = None) -> None:
        known: dict[str, _SegmentColumns] = {} if previous is None else previous._segments  # noqa: SLF001 (of its own class)
        self._placed = [(place.base_row, place.segment.segment_id, place.shifts) for place in placed]
        self._segments: dict[str, _SegmentColumns] = {
            place.segment.segment_id: known.get(place.segment.segment_id) or _SegmentColumns(place.segment)
            for place in placed
        }
        self._live = live
        self._masks: OrderedDict[str, Mask] = OrderedDict()
        self._cached_bytes = 0
        self._lock = Lock()

    def mask(self, where: Where, *, elsewhere: bool = False) -> Mask:
        """Live rows for which the filter holds: bool [end_row], read-only.

        elsewhere : a field that no row has here is one that other rows may have, and absent here; else an unknown
            column raises InvalidInput
        """
        # What is asked strictly is never answered by what was not.
        key = f"elsewhere {where.canonical}" if elsewhere else where.canonical
        with self._lock:
            cached = self._masks.get(key)
            if cached is not None:
                self._masks.move_to_end(key)
                return cached
        mask = self._evaluate(where, elsewhere=elsewhere)
        mask.flags.writeable = False
        with self._lock:
            if (kept := self._masks.get(key)) is not None:
                return kept
            self._masks[key] = mask
            # A long list of values weighs more than the mask of a small corpus: keys count as well.
            self._cached_bytes += len(key) + len(mask)
            while len(self._masks) > 1 and self._cached_bytes > CACHED_MASK_BYTES:
                oldest, dropped = self._masks.popitem(last=False)
                self._cached_bytes -= len(oldest) + len(dropped)
        return mask

    def fields(self) -> tuple[str, ...]:
        """Names of all metadata fields there are, sorted."""
        return tuple(sorted({name for segment in self._segments.values() for name in segment.metadata().fields}))

    def unknown(self, where: Where | None) -> tuple[str, ...]:
        """The columns of a filter that are neither of chunks nor a field of any row here."""
        asked = [] if where is None else [column for column, _ in where.columns if column not in COLUMNS]
        fields = self.fields() if asked else ()
        return tuple(column for column in asked if _field(column) not in fields)

    def _evaluate(self, where: Where, *, elsewhere: bool) -> Mask:
        if not elsewhere and (unknown := self.unknown(where)):
            raise no_column(unknown[0], self.fields())
        if len(where.columns) > 1:
            # Conditions are kept apart: the same source, or the same list of chunks, stands in many filters.
            both: Mask = np.logical_and.reduce([self.mask(part, elsewhere=elsewhere) for part in where.parts()])
            return both
        mask = np.zeros(len(self._live), np.bool_)
        for base_row, segment_id, shifts in self._placed:
            segment = self._segments[segment_id]
            mask[base_row : base_row + segment.rows] = segment.matches(where, shifts)
        mask &= self._live
        return mask


def no_column(column: str, fields: Sequence[str]) -> InvalidInput:
    """What to raise for a column that there is not. fields : of metadata, those that there are."""
    return InvalidInput(
        f"no column {column!r} to filter on; there are {', '.join(COLUMNS)}, "
        + (f"and the metadata fields {', '.join(fields)}" if fields else "and no metadata fields")
    )


def _field(column: str) -> str:
    return column.removeprefix(METADATA_PREFIX)


class _SegmentColumns:
    """The columns of one segment, and what was parsed of its metadata."""

    def __init__(self, segment: SegmentLike) -> None:
        self.rows = segment.rows
        self._segment = segment
        self._metadata: MetadataColumns | None = None
        self._distinct: dict[str, DistinctValues | None] = {}

    def metadata(self) -> MetadataColumns:
        # Two threads may both parse it: the result is the same, and no lock is held over the parsing.
        if self._metadata is None:
            self._metadata = MetadataColumns(self._segment.chunks().column("metadata"))
        return self._metadata

    def matches(self, where: Where, shifts: Sequence[Shift]) -> Mask:
        table = self._segment.chunks()
        if any(column in LINE_COLUMNS for column, _ in where.columns):
            table = shifted(table, shifts)
        matching = np.ones(self.rows, np.bool_)
        for column, condition in where.columns:
            if column in INTEGER_COLUMNS:
                matching &= holds(condition, IntegerColumn(table.column(column)), self.rows)
            elif column in COLUMNS:
                matching &= self._text_matches(column, table.column(column), condition)
            else:
                matching &= self.metadata().matches(_field(column), condition)
        return matching

    def _text_matches(self, column: str, texts: pa.ChunkedArray, condition: Condition) -> Mask:
        if column not in self._distinct:
            self._distinct[column] = DistinctValues.of(column, texts)
        shared = self._distinct[column]
        return text_matches(column, texts, condition) if shared is None else shared.matches(condition)

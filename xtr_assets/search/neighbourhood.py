"""What stands before and after a chunk in its file."""

import math
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.where_syntax import parse_where
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.reconstruction import rows_of

# Chunks of a file that are read and put in order (10 ms). A file of records may hold a million: of such a one the
# nearest rows are looked at, which a build writes in the order of the file.
MOST_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A chunk with the chunks before and after it in the same file, in the order of the file, none with scores."""

    before: Hits
    chunk: Hit
    after: Hits


def neighbourhood(opened: OpenGeneration, chunk_id: int, before: int, after: int) -> Neighbourhood:
    """At most so many chunks `before` and `after` one. Raises InvalidInput for a chunk that is not there."""
    (row,) = rows_of(opened, [chunk_id]).tolist()
    (own,) = _hits(opened, [row])
    if not before and not after:
        return Neighbourhood(Hits(), own, Hits())
    rows = np.flatnonzero(opened.allowed(parse_where({"source": own.source, "path": own.path})))
    place = int(np.searchsorted(rows, row))
    near = rows[max(0, place - MOST_ROWS // 2) : place + MOST_ROWS // 2].tolist()
    ordered = sorted(_hits(opened, near), key=lambda hit: (hit.start_line, hit.end_line, hit.part, hit.chunk_id))
    at = next(i for i, hit in enumerate(ordered) if hit.chunk_id == own.chunk_id)
    return Neighbourhood(Hits(ordered[max(0, at - before) : at]), own, Hits(ordered[at + 1 : at + 1 + after]))


def _hits(opened: OpenGeneration, rows: list[int]) -> list[Hit]:
    return [Hit.of(columns, math.nan, {}) for columns in opened.hydrator.rows(rows)]

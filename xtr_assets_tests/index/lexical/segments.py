"""Documents as the parts of a lexical index, in a folder that goes when the block ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest

from xtr_assets.index import native
from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart
from xtr_assets.index.lexical.list_scan import NumpyScan
from xtr_assets.index.lexical.list_scan_native import NativeScan
from xtr_assets.index.lexical.postings import open_postings
from xtr_assets.index.lexical.postings_writer import write_postings

needs_native = pytest.mark.skipif(not native.available(), reason=f"no C++ extension: {native.missing}")
SCANS = [pytest.param(NumpyScan, id="numpy"), pytest.param(NativeScan, id="native", marks=needs_native)]
Scan = type[NumpyScan] | type[NativeScan]
Rows = Sequence[Sequence[str] | None]


def runs(documents: Rows, cuts: Sequence[int] = ()) -> list[tuple[int, list[Sequence[str]]]]:
    """(base row, documents) of each segment: holes end one, and so do cuts."""
    found: list[tuple[int, list[Sequence[str]]]] = []
    for row, document in enumerate(documents):
        if document is None:
            continue
        if not found or row in cuts or found[-1][0] + len(found[-1][1]) != row:
            found.append((row, []))
        found[-1][1].append(document)
    return found


def write_part(folder: Path, base_row: int, documents: Sequence[Sequence[str]]) -> LexicalPart:
    folder.mkdir()
    write_postings(folder, documents)
    return LexicalPart(base_row, open_postings(folder, len(documents), verify="full"))


@contextmanager
def opened(
    scan: Scan, documents: Rows, live: Sequence[bool] | None = None, cuts: Sequence[int] = (), **settings: float
) -> Iterator[LexicalIndex]:
    """An index of documents by row (None is a hole), cut into segments before the rows `cuts`."""
    with TemporaryDirectory() as folder:
        parts = [write_part(Path(folder) / str(base), base, own) for base, own in runs(documents, cuts)]
        mask = np.ones(len(documents), np.bool_) if live is None else np.array(live, np.bool_)
        with patch("xtr_assets.index.lexical.index.list_scan", scan):
            index = LexicalIndex(parts, mask, **settings)
        with index:
            yield index

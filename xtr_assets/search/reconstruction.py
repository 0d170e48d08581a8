"""What is stored of a chunk: what a hit shows, and the embedding and token embeddings that searches compare with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.arguments import chunk_numbers, fits_int64
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.reader import OpenGeneration


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """A chunk's stored vectors.

    embedding : float32 [dim], the float16 value that is stored; tokens : float32 [t, token_dim], as the store's codec
    gives them back. Of a leg that the index does not have: [0], or [0, 0].
    """

    chunk_id: int
    embedding: Floats
    tokens: Floats


def reconstructed(opened: OpenGeneration, chunk_ids: Sequence[int]) -> list[Reconstruction]:
    """The stored vectors of live chunks, in the order asked for. Raises InvalidInput for a chunk that is not there."""
    chunk_ids = chunk_numbers(chunk_ids)
    rows = rows_of(opened, chunk_ids)
    embeddings = np.empty((len(rows), 0), np.float32)
    if opened.dense is not None:
        embeddings = opened.dense.reconstruct(rows)
    tokens = None if opened.tokens is None else opened.generation.tokens()
    nothing = np.empty((0, 0), np.float32)
    return [
        Reconstruction(one, embedding, nothing if tokens is None else tokens.document(row))
        for one, embedding, row in zip(chunk_ids, embeddings, rows.tolist(), strict=True)
    ]


def chunks_by_id(opened: OpenGeneration, chunk_ids: Sequence[int]) -> Hits:
    """Live chunks as hits without scores, in the order asked for. Raises InvalidInput for a chunk that is not there."""
    rows = rows_of(opened, chunk_ids).tolist()
    return Hits(Hit.of(columns, math.nan, {}) for columns in opened.hydrator.rows(rows))


def rows_of(opened: OpenGeneration, chunk_ids: Sequence[int]) -> Ints:
    """int64 [n]: the live row of each chunk. Raises InvalidInput naming the first that has none."""
    chunk_ids = chunk_numbers(chunk_ids)
    wanted = np.array([one for one in chunk_ids if fits_int64(one)], np.int64)
    live = np.flatnonzero(np.isin(opened.chunk_ids, wanted) & opened.live)
    places = dict(zip(opened.chunk_ids[live].tolist(), live.tolist(), strict=True))
    unknown = [one for one in chunk_ids if one not in places]
    if unknown:
        raise InvalidInput(
            f"chunk {unknown[0]} is not in generation {opened.number} ({len(unknown)} of {len(chunk_ids)} are not); "
            "search again: a changed text keeps its chunk_id, a moved or deleted one does not"
        )
    return np.array([places[one] for one in chunk_ids], np.int64)

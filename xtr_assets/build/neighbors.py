"""Exact MaxSim neighbours of many queries at once: what the gate measures the token index against."""

from collections.abc import Iterator, Sequence

import numpy as np

from xtr_assets.core.maxsim import best_rows
from xtr_assets.core.rows import RowTokens
from xtr_assets.core.types import Floats, Ints, Mask

# Document tokens per matrix product: with 2,000 query tokens (200 gate queries) the similarities of one block take
# 16 MB, which the next step reads back while they are still warm; larger blocks were not faster.
BLOCK_TOKENS = 2048

# Documents whose scores are kept before they are merged into the running top k: 200 queries take 26 MB.
MERGE_DOCUMENTS = 32_768


def exact_tokens(
    tokens: RowTokens, live: Mask, queries: Sequence[Floats], k: int, *, rows_from: int = 0
) -> tuple[Floats, Ints]:
    """The k rows of highest MaxSim for each query, over live rows; MaxSim is divided by the query's tokens.

    Parameters
    ----------
    tokens : the rows of a generation
    live : bool [end_row]
    queries : float32 [t_i, d] each; a query of no tokens has no neighbours
    rows_from : rows before this one are left out

    Returns
    -------
    (scores float32 [q, k], rows int64 [q, k])
        Best first, equal scores by ascending row, padded with (-inf, -1). All documents of a block are scored by one
        matrix product: 200 queries over 758,000 tokens of dim 128 are 390 GFLOP, not 200 passes over the store.
    """
    counts = np.array([len(query) for query in queries], np.int64)
    asked = np.flatnonzero(counts)
    best = TopK(len(queries), k)
    if not len(asked):
        return best.scores, best.rows
    stacked = np.concatenate([np.asarray(queries[i], np.float32) for i in asked.tolist()])
    starts = np.concatenate([[0], np.cumsum(counts[asked])[:-1]])
    weights = (1.0 / counts[asked])[:, None].astype(np.float32)

    pending: list[tuple[Ints, Floats]] = []
    for rows, block, offsets in _blocks(tokens, live, rows_from):
        similarities = stacked @ block.T
        maxima = np.maximum.reduceat(similarities, offsets, axis=1)
        pending.append((rows, np.add.reduceat(maxima, starts, axis=0) * weights))
        if sum(len(r) for r, _ in pending) >= MERGE_DOCUMENTS:
            best.merge(asked, pending)
            pending = []
    best.merge(asked, pending)
    return best.scores, best.rows


class TopK:
    """Running top k of several queries: `scores` float32 [q, k], `rows` int64 [q, k], padded with (-inf, -1)."""

    def __init__(self, queries: int, k: int) -> None:
        self.scores = np.full((queries, k), -np.inf, np.float32)
        self.rows = np.full((queries, k), -1, np.int64)

    def merge(self, queries: Ints, blocks: Sequence[tuple[Ints, Floats]]) -> None:
        """Take in blocks (rows int64 [n], scores float32 [len(queries), n]) of rows not seen before."""
        if not blocks:
            return
        rows = np.concatenate([r for r, _ in blocks])
        scores = np.concatenate([s for _, s in blocks], axis=1)
        k = self.scores.shape[1]
        for i, query in enumerate(queries):
            kept = self.rows[query] >= 0
            merged = np.concatenate([self.scores[query][kept], scores[i]])
            self.scores[query], self.rows[query] = best_rows(merged, np.concatenate([self.rows[query][kept], rows]), k)


def _blocks(tokens: RowTokens, live: Mask, rows_from: int) -> Iterator[tuple[Ints, Floats, Ints]]:
    """(rows int64 [n], tokens float32 [T, d], starts int64 [n]): live rows, whole documents, in row order."""
    for part in tokens.parts:
        offsets = np.asarray(part.offsets)
        first = max(rows_from - part.base_row, 0)
        while first < part.rows:
            limit = np.searchsorted(offsets, offsets[first] + BLOCK_TOKENS, side="right") - 1
            last = int(min(max(limit, first + 1), part.rows))
            positions = np.arange(first, last)
            wanted = live[part.base_row + positions] & (offsets[positions + 1] > offsets[positions])
            if wanted.any():
                span = slice(int(offsets[first]), int(offsets[last]))
                block = np.asarray(part.tokens[span], np.float32)
                if part.scales is not None:
                    block = block * np.asarray(part.scales[span], np.float32)[:, None]
                yield _keep(part.base_row + positions, block, offsets[positions] - offsets[first], wanted)
            first = last


def _keep(rows: Ints, block: Floats, starts: Ints, wanted: Mask) -> tuple[Ints, Floats, Ints]:
    """Drop the unwanted documents of a block; the common case of none is free."""
    if wanted.all():
        return rows, block, starts
    lengths = np.diff(np.append(starts, len(block)))
    kept = lengths[wanted]
    return rows[wanted], block[np.repeat(wanted, lengths)], np.concatenate([[0], np.cumsum(kept)[:-1]])

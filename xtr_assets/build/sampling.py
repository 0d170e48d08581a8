"""Choosing, encoding and keeping the gate queries of a draft: one step, from config or corpus."""

from dataclasses import dataclass

import numpy as np

from xtr_assets.build.generation import same_encoder
from xtr_assets.build.queries import (
    NEW_SHARE,
    QUERIES_FILE,
    TUNING_QUERIES,
    GateQueries,
    encode,
    fixed_queries,
    fresh_rows,
    given_queries,
    new_queries,
    read_queries,
    read_tuning,
    tuning_texts,
    write_queries,
    write_tuning,
)
from xtr_assets.config import IndexConfig
from xtr_assets.core.types import Floats
from xtr_assets.encoders.base import Encoder
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generations import Generation


@dataclass(frozen=True, slots=True)
class QueriesReport:
    """How many queries of each kind there are, and how many had to be encoded."""

    gate: GateQueries
    fixed: int
    new: int
    inherited: int
    encoded: int
    sha256: str


def sample_queries(draft: Draft, parent: Generation | None, config: IndexConfig, encoder: Encoder) -> QueriesReport:
    """Keep the gate queries of the draft.

    They are those of the config's file, else the parent's topped up from the corpus; and a stratum drawn from the rows
    that the parent does not have.
    """
    count = config.recall.queries
    before = read_queries(parent) if parent is not None and parent.has_file(QUERIES_FILE) else None
    if config.queries is not None:
        fixed = given_queries(config.queries.path, count)
    else:
        inherited = [] if before is None else [query for query in before.queries if query.chunk_id >= 0]
        fixed = fixed_queries(draft, count, inherited)
    new = new_queries(draft, fresh_rows(draft, parent), max(1, count // NEW_SHARE), fixed)
    known = before if before is not None and same_encoder(parent, draft) is not None else None
    gate = encode([*fixed, *new], encoder, known)
    write_queries(draft, gate, encoder.token_dim)
    write_tuning(draft, _tuning(draft, parent, config, encoder, gate))
    texts = set() if known is None else {query.text for query in known.queries}
    reused = sum(query.text in texts for query in gate.queries)
    written = draft.manifest.files[draft.file_name(QUERIES_FILE)]
    return QueriesReport(gate, len(fixed), len(new), reused, len(gate) - reused, written.sha256)


def _tuning(
    draft: Draft, parent: Generation | None, config: IndexConfig, encoder: Encoder, gate: GateQueries
) -> Floats:
    """The parent's tuning queries, or new ones where it has none, too few, or those of another encoder."""
    source = same_encoder(parent, draft)
    kept = None if source is None else read_tuning(source)
    if kept is not None and len(kept) >= TUNING_QUERIES:
        return kept
    texts = tuning_texts(draft, gate.queries, None if config.queries is None else config.queries.path)
    if kept is not None and len(kept) >= len(texts):
        return kept
    return encoder.encode_queries(texts).embeddings if texts else np.empty((0, encoder.dim), np.float32)

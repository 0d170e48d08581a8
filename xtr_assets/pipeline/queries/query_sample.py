"""Choosing, encoding and keeping the gate queries of a draft: one step, from config or corpus."""

from dataclasses import dataclass

from xtr_assets.config import IndexConfig
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.plan.draft_session import same_encoder
from xtr_assets.pipeline.plan.row_diff import RowDiff
from xtr_assets.pipeline.queries.gate_queries import (
    QUERIES_FILE,
    GateQueries,
    encode,
    fixed_queries,
    given_queries,
    new_queries,
    new_query_count,
    read_queries,
    tuning_texts,
    write_queries,
)
from xtr_assets.pipeline.queries.tuning_queries import TUNING_QUERIES, inherit_tuning, keep_tuning, tuning_count
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class QueriesReport:
    """How many queries of each kind there are, and how many had to be encoded."""

    gate: GateQueries
    fixed: int
    new: int
    inherited: int
    encoded: int
    sha256: str


def sample_queries(
    warehouse: Warehouse, draft: Draft, parent: Generation | None, config: IndexConfig, encoder: Encoder
) -> QueriesReport:
    """Keep the gate queries of the draft.

    They are those of the config's file, else the parent's topped up from the corpus; and a stratum drawn from the
    chunks that the parent does not have. Without a parent all are new, and there is no such stratum.
    """
    count = config.recall.queries
    before = read_queries(parent) if parent is not None and parent.has_file(QUERIES_FILE) else None
    if config.queries is not None:
        fixed = given_queries(config.queries.path, count)
    else:
        inherited = [] if before is None else [query for query in before.queries if query.chunk_id >= 0]
        fixed = fixed_queries(draft, count, inherited)
    new = []
    if parent is not None:
        fresh = RowDiff(parent, draft).new
        new = new_queries(draft, fresh, new_query_count(count, int(fresh.sum())), fixed)
    known = before if before is not None and same_encoder(parent, draft) is not None else None
    gate = encode([*fixed, *new], encoder, known)
    write_queries(draft, gate, encoder.token_dim)
    _keep_tuning_queries(warehouse, draft, parent, config, encoder, gate)
    texts = set() if known is None else {query.text for query in known.queries}
    reused = sum(query.text in texts for query in gate.queries)
    written = draft.manifest.files[draft.file_name(QUERIES_FILE)]
    return QueriesReport(gate, len(fixed), len(new), reused, len(gate) - reused, written.sha256)


def _keep_tuning_queries(
    warehouse: Warehouse,
    draft: Draft,
    parent: Generation | None,
    config: IndexConfig,
    encoder: Encoder,
    gate: GateQueries,
) -> None:
    """The parent's tuning queries, or new ones where it has none, too few, or those of another encoder."""
    source = same_encoder(parent, draft)
    kept = 0 if source is None else tuning_count(source)
    if source is not None and kept >= TUNING_QUERIES:
        return inherit_tuning(draft, source)
    texts = tuning_texts(draft, gate.queries, None if config.queries is None else config.queries.path)
    if source is not None and kept and kept >= len(texts):
        return inherit_tuning(draft, source)
    if texts:
        keep_tuning(warehouse, draft, encoder.encode_queries(texts))
    return None

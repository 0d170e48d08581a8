"""A build without Dagster: the steps of pipeline/ in the order of the job `rebuild`, for hundreds of builds."""

from dataclasses import dataclass

import numpy as np

from xtr_assets.config import HashingConfig, IndexConfig
from xtr_assets.encoders.base import Encoded, Progress, vector_kind
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.derive.lexical_index import derive_lexical
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.drift import note_training
from xtr_assets.pipeline.gate.nothing_vanished import accept
from xtr_assets.pipeline.gate.registry import checks_of, run_check
from xtr_assets.pipeline.ingest.encode import encode_snapshot
from xtr_assets.pipeline.ingest.scan import note_unchanged, scan, write_chunks
from xtr_assets.pipeline.plan.after_refusal import forget_encodings
from xtr_assets.pipeline.plan.begin import Begun, begin_generation
from xtr_assets.pipeline.plan.compaction_due import compaction_due
from xtr_assets.pipeline.plan.decide import decide, due, wanted
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session, session_of
from xtr_assets.pipeline.plan.finish import finish
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.storage.catalog import write_catalog
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.warehouse import Warehouse

# Checks, and with them the catalog, that take most of the time of so small a build.
LEFT_OUT = {
    "chunks_schema",
    "embeddings_valid",
    "tokens_valid",
    "id_map_bijection",
    "catalog_consistent",
    "shadow_diff",
}


class OneByOne(Hashing):
    """The hashing encoder, a text at a time: sums are then in the same order whatever was encoded beside a text."""

    def encode_documents(self, texts: list[str], progress: Progress | None = None) -> Encoded:  # type: ignore[override]
        if not texts:
            return super().encode_documents(texts, progress)
        parts = [super(OneByOne, self).encode_documents([text], progress) for text in texts]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return Encoded(
            np.concatenate([part.embeddings for part in parts]),
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([part.token_ids for part in parts]),
            windows=0,
        )


@dataclass(frozen=True)
class Built:
    """What a build came to: the generation that was begun, None where nothing was to be done, and the reason."""

    generation: Generation | None
    reason: str
    encoded: int = 0


def encoder_of(config: IndexConfig) -> Hashing:
    assert isinstance(config.encoder, HashingConfig)
    return OneByOne(config.encoder.dim, config.encoder.token_dim)


def ingest(warehouse: Warehouse, config: IndexConfig, *, full: bool = False) -> int:
    """Chunk and encode what changed; how many texts were encoded."""
    encoder, encoded = encoder_of(config), 0
    scans = list(scan(warehouse, config))
    note_unchanged(warehouse, scans)
    for one in scans:
        if full or due(warehouse, one, vector_kind(encoder)):
            change = write_chunks(warehouse, one, one.readable if full else one.touched)
            encoded += encode_snapshot(warehouse, change.snapshot, encoder, names=one.source.config.naming).encoded
    return encoded


def build(
    warehouse: Warehouse,
    config: IndexConfig,
    *,
    full: bool = False,
    again: bool = True,
    whole: bool = False,
    accepting: bool = True,
) -> Built:
    """Ingest, and where anything is to be built, from the draft to the pointer. `accepting`: sources may shrink."""
    with warehouse.lock("build"):
        forget_encodings(warehouse)
        encoded = ingest(warehouse, config, full=full)
        if accepting:
            accept(warehouse, config, [source.name for source in config.sources], "a life deletes what it likes")
        want = wanted(warehouse, config, encoder_of(config).fingerprint)
        decision = decide(warehouse, config, want, again=again)
        if not (decision.build or full):
            return Built(None, decision.reason, encoded)
        afresh = full or bool(decision.cause)
        return Built(generation(warehouse, config, afresh=afresh, whole=whole), decision.reason, encoded)


def compact(warehouse: Warehouse, config: IndexConfig, *, whole: bool = False) -> Built:
    """Write segments anew where that is due, and the generation over them."""
    with warehouse.lock("compact"):
        found = compaction_due(warehouse, wanted(warehouse, config, encoder_of(config).fingerprint))
        if not found.due:
            return Built(None, found.reason)
        return Built(generation(warehouse, config, compacting=True, whole=whole), found.reason)


def generation(
    warehouse: Warehouse, config: IndexConfig, *, afresh: bool = False, compacting: bool = False, whole: bool = False
) -> Generation:
    """From the draft to the pointer. Without `whole` the checks that take most of the time of so small a build, and
    what they look at, are left out: chunks against their schema, catalog, what the serving generation answers."""
    encoder = encoder_of(config)
    chosen = [check for check in checks_of(config) if whole or check.name not in LEFT_OUT]
    required = [check.requirement for check in chosen if check.blocking]
    begun = begin_generation(warehouse, config, encoder, "life", compact=compacting, afresh=afresh, required=required)
    assert isinstance(begun, Begun), begun
    with session_of(warehouse, begun.draft, config, afresh=afresh, encoder=lambda: encoder) as session:
        derive(session, whole=whole)
        for check in chosen:
            run_check(session, check)
        finish(session)
    try:
        return warehouse.publish(begun.draft.number, who="life")
    finally:
        end_session()


def derive(session: DraftSession, *, whole: bool = True) -> None:
    """What is made of the draft's rows: queries, exact neighbours, both indexes, the id map and the catalog."""
    sample_queries(session)
    exact_neighbors(session)
    if "dense" in session.draft.legs:
        report = derive_dense(session)
        note_training(session.draft, session.carried, report.how)
    if "tokens" in session.draft.legs:
        derive_tokens(session)
    derive_lexical(session)
    write_id_map(session.draft)
    if whole:
        write_catalog(session.draft)

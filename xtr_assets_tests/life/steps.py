"""A build without Dagster: the steps of pipeline/ in the order of the job `rebuild`, for hundreds of builds."""

from dataclasses import dataclass, replace

import numpy as np

from xtr_assets.config import IndexConfig
from xtr_assets.encoders.base import Encoded, Progress
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.cost_report import report_costs
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.drift import note_training, record_drift
from xtr_assets.pipeline.gate.index_recall import dense_recall, dense_recall_new_rows, xtr_recall, xtr_recall_new_rows
from xtr_assets.pipeline.gate.list_balance import check_balance
from xtr_assets.pipeline.gate.required import requirement
from xtr_assets.pipeline.gate.shadow import check_shadow
from xtr_assets.pipeline.gate.token_drift import check_token_drift
from xtr_assets.pipeline.gate.validity import check_catalog, check_files, check_id_map, check_segments
from xtr_assets.pipeline.ingest.encode import encode_snapshot
from xtr_assets.pipeline.ingest.scan import scan, write_chunks
from xtr_assets.pipeline.plan.compaction_due import compact_segments, compaction_due
from xtr_assets.pipeline.plan.decide import begin, decide, due, parent_of, refuse_if_overtaken, same_encoder, wanted
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.storage.catalog import write_catalog
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.warehouse import Warehouse


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
    return OneByOne(config.encoder.dim, config.encoder.token_dim)


def ingest(warehouse: Warehouse, config: IndexConfig, *, full: bool = False) -> int:
    """Chunk and encode what changed; how many texts were encoded."""
    encoder, encoded = encoder_of(config), 0
    for one in scan(warehouse, config):
        if full or due(warehouse, one, encoder.fingerprint):
            change = write_chunks(warehouse, one, tuple(one.files) if full else one.touched)
            encoded += encode_snapshot(warehouse, change.snapshot, encoder).encoded
    return encoded


def build(
    warehouse: Warehouse, config: IndexConfig, *, full: bool = False, again: bool = True, whole: bool = False
) -> Built:
    """Ingest, and where anything is to be built, from the draft to the pointer."""
    with warehouse.lock("build"):
        encoded = ingest(warehouse, config, full=full)
        want = wanted(warehouse, config, encoder_of(config).fingerprint)
        decision = decide(warehouse, config, want, again=again)
        if not (decision.build or full):
            return Built(None, decision.reason, encoded)
        return Built(generation(warehouse, config, afresh=full, whole=whole), decision.reason, encoded)


def compact(warehouse: Warehouse, config: IndexConfig, *, whole: bool = False) -> Built:
    """Write segments anew where that is due, and the generation over them."""
    with warehouse.lock("compact"):
        want = wanted(warehouse, config, encoder_of(config).fingerprint)
        found = compaction_due(warehouse, want)
        if not found.due:
            return Built(None, found.reason)
        compact_segments(warehouse, found)
        return Built(generation(warehouse, config, holes="bounded", whole=whole), found.reason)


def generation(
    warehouse: Warehouse, config: IndexConfig, *, afresh: bool = False, holes: Holes = "kept", whole: bool = False
) -> Generation:
    """From the draft to the pointer. Without `whole` the checks that take most of the time of so small a build, and
    what they look at, are left out: chunks against their schema, catalog, what the serving generation answers."""
    encoder = encoder_of(config)
    required = requirement(config) if whole else tuple(one for one in map(_quick, requirement(config)) if one)
    draft = begin(warehouse, config, encoder, "life", holes="closed" if afresh else holes, required=required)
    parent = parent_of(warehouse, draft)
    carried = None if afresh else same_encoder(parent, draft)
    sample_queries(warehouse, draft, parent, config, encoder)
    exact_neighbors(draft, read_queries(draft), config.recall.k, carried)
    report = derive_dense(draft, carried, config.dense, config.recall.dense)
    note_training(draft, carried, report.how)
    derive_tokens(warehouse, draft, carried, config.recall)
    write_id_map(draft)
    if whole:
        check_segments(draft, parent)
        write_catalog(draft)
        check_id_map(draft)
        check_catalog(draft)
        check_shadow(warehouse, draft, warehouse.published)
    dense_recall(draft, config.recall)
    dense_recall_new_rows(draft, config.recall)
    xtr_recall(draft, config.recall)
    xtr_recall_new_rows(draft, config.recall)
    check_balance(draft)
    check_files(draft)
    refuse_if_overtaken(warehouse, draft)
    check_token_drift(draft, parent)
    record_drift(draft, parent)
    report_costs(draft, parent, full=carried is None)
    return warehouse.publish(draft.number, who="life")


def _quick(one: RequiredCheck) -> RequiredCheck | None:
    """What a build without `whole` demands: no catalog is there to be looked at."""
    if one.name == "files_verified":
        return replace(one, subject=tuple(name for name in one.subject if not name.startswith("catalog")))
    return one if "_recall" in one.name else None

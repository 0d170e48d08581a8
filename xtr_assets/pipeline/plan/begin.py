"""Beginning a generation: segments written anew where that is asked for, the draft, and the checks of its rows."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from xtr_assets.config import IndexConfig
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.costs import Step, step
from xtr_assets.pipeline.gate.registry import checks_of, run_check
from xtr_assets.pipeline.plan.compaction_due import compact_segments, compaction_due
from xtr_assets.pipeline.plan.decide import add_cost, begin, decide, wanted
from xtr_assets.pipeline.plan.draft_session import session_of
from xtr_assets.search.blend import Blend
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.warehouse import Warehouse

# Assets of a shard. Their checks look at what ingest wrote; here they look again, at what the draft is made of.
OF_SHARDS = ("chunks", "embeddings", "token_embeddings")

IngestCosts = Callable[[Draft, Generation | None], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Begun:
    """The draft, and what it took to begin it."""

    draft: Draft
    cost: Step


def begin_generation(
    warehouse: Warehouse,
    config: IndexConfig,
    encoder: Encoder,
    run_id: str,
    *,
    compact: bool = False,
    erase: bool = False,
    afresh: bool = False,
    idle: bool = False,
    ingest: IngestCosts = lambda *_: {},
    required: Sequence[RequiredCheck] | None = None,
) -> Begun | str:
    """Begin the draft of a run over the current snapshots; the reason in words where a run has nothing to do: a
    compaction, or one that is to be `idle` where what serves holds what the shards hold, or somebody took that back.

    compact : merge small segments and leave dead rows out first; with `erase` all of them. afresh : take nothing over
    but encodings. ingest : what the runs that ingested its shards cost, by step. required : what the draft must pass,
    by default all that the config requires.
    """
    written = 0
    holes: Holes = "closed" if afresh else "kept"
    with ExitStack() as stack:
        with step("generation") as cost:
            if idle:
                decision = decide(warehouse, config, wanted(warehouse, config, encoder.fingerprint), again=True)
                if not decision.build:
                    return decision.reason
            if compact:
                found = compaction_due(warehouse, wanted(warehouse, config, encoder.fingerprint), erase=erase)
                if found.possible and not found.due:
                    return found.reason
                compacted = compact_segments(warehouse, found)
                written, holes = compacted.bytes, "bounded"
                cost.count(segments_replaced=compacted.replaced, segments_written=compacted.written)
            draft = begin(warehouse, config, encoder, run_id, holes=holes, required=required, afresh=afresh)
            opened = session_of(warehouse, draft, config, afresh=afresh, encoder=lambda: encoder)
            session = stack.enter_context(opened)
            draft.set_profile("hybrid", Blend.standard(draft.legs, config.token_kind).document())
            for check in checks_of(config):
                if check.asset in OF_SHARDS:
                    run_check(session, check)
            # What ingest wrote is told by ingest; here it is what compaction wrote, and the draft's own first files.
            own = f"{warehouse.layout.relative(draft.directory)}/"
            size = written + sum(one.bytes for name, one in draft.manifest.files.items() if name.startswith(own))
            cost.count(segments=len(draft.manifest.segments), bytes=size, **asdict(session.rows.change))
        for name, report in {**ingest(draft, session.parent), "generation": cost.report()}.items():
            add_cost(draft, name, report)
    return Begun(draft, cost)

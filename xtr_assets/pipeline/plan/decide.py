"""Which generation to build, and beginning it: what is wanted now, beside what serves and what was tried.

The registry of the checks is imported where it is asked: a build that finds nothing to do needs none of them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import GenerationError, PublishRefused
from xtr_assets.core.types import VectorKind
from xtr_assets.encoders.base import Encoder, vector_kind
from xtr_assets.encoders.encoder_files import decided_by_settings
from xtr_assets.encoders.encoder_record import minilm_with_tokens, of_this_code
from xtr_assets.pipeline.ingest.encode import missing_encodings
from xtr_assets.pipeline.ingest.scan import ShardScan, shard_sources
from xtr_assets.pipeline.plan.after_refusal import forget_postings
from xtr_assets.pipeline.plan.index_settings import (
    JUDGED_NOTE,
    differing,
    encoder_settings,
    judged_by,
    judged_otherwise,
    named_shards,
    noted_settings,
    own_head,
    said_of_sources,
    settings_of,
)
from xtr_assets.pipeline.plan.own_head import keep_head
from xtr_assets.pipeline.plan.retrain_cause import AFRESH_NOTE, retrain_cause, stands
from xtr_assets.pipeline.plan.wanted_generation import Wanted
from xtr_assets.storage.content import SETTINGS_NOTE, TakenBack
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import pointer_moved_to, read_published
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.refusal import publish_line
from xtr_assets.storage.retired_shards import RETIRED_NOTE, retired_since
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse import Warehouse

COSTS_NOTE = "costs"

# How somebody builds what was taken back.
BUILD_AGAIN = '`xtr-assets build --again --reason "..."` (in Dagster: `rebuild` with `again`)'

# What belongs to one run: everything from the draft to the pointer.
RUN_ASSETS = (
    "generation, queries, exact_neighbors, faiss_index, xtr_index, lexical_index, id_map, catalog and published"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to build, and the reason in words.

    cause : why the indexes have to be trained anew for it, in words; empty where they need not.
    """

    build: bool
    reason: str
    cause: str = ""


def wanted_kind(warehouse: Warehouse, config: IndexConfig, open_encoder: Callable[[], Encoder]) -> VectorKind:
    """What the config's encoder makes; the encoder itself is opened only where what serves was made by other settings,
    or by the code of another release, so that a sensor need not load a model to find that nothing happened."""
    published = warehouse.published
    if published is not None and decided_by_settings(config.encoder):
        settings = published.manifest.notes.get(SETTINGS_NOTE, {})
        same = settings.get("encoder") == encoder_settings(config.encoder)
        if same and of_this_code(published.manifest.encoder.model_dump()):
            return published.vector_kind
    return vector_kind(open_encoder())


def due(warehouse: Warehouse, scan: ShardScan, kind: VectorKind) -> str:
    """Why a shard has to be ingested, in words; empty where it has not."""
    if scan.reason or scan.snapshot is None:
        return scan.reason
    lacking = missing_encodings(warehouse, scan.snapshot, kind, names=scan.source.config.naming)
    return f"{len(lacking)} segments are not encoded by this encoder" if lacking else ""


def wanted(
    warehouse: Warehouse, config: IndexConfig, fingerprint: str, known: Mapping[str, Snapshot | None] | None = None
) -> Wanted:
    """The current snapshots of the config's shards, `known` where they are at hand. GenerationError where one was never
    chunked."""
    snapshots: dict[str, Snapshot] = {}
    own = [] if decided_by_settings(config.encoder) else [fingerprint]
    for shard, source in shard_sources(config).items():
        snapshot = (known or {}).get(shard) or warehouse.snapshot(shard)
        if snapshot is None:
            raise GenerationError(
                f"shard {shard!r} was never chunked; materialize `chunks`, `embeddings` and `token_embeddings` of it, "
                "or run `xtr-assets build`"
            )
        snapshots[shard] = snapshot
        own += [snapshot.source_fingerprint] if source.config.own else []
    return Wanted(snapshots, settings_of(config), fingerprint, said_of_sources(config, own))


def decide(warehouse: Warehouse, config: IndexConfig, want: Wanted, *, again: bool) -> Decision:
    """Whether a generation has to be built for what is wanted.

    What was rolled back or withdrawn once is not built again, whatever became of its generation: whoever did that meant
    it, and the next change builds from what serves. A draft that failed its checks is tried `again` when somebody asks.
    By itself it is where another release, or the configuration, asks something else by now; and where what its indexes
    had learnt is why it failed: then the next build, of the same content or of a change of it, trains them anew, once.
    """
    published = warehouse.published
    if published is not None and want.made(published):
        return Decision(False, f"generation {published.number} serves and holds exactly this")
    if (back := want.taken_back(warehouse)) is not None:
        return Decision(False, _taken_back(back, published))
    if (back := want.rolled_back(warehouse)) is not None:
        return Decision(False, _taken_back(back, published, publish_line(back.generation)))
    if (refused := refused_for_training(warehouse, config, published)) is not None and refused.holds_for(want):
        return Decision(True, f"draft {refused.draft.number} was refused: {refused.cause}", refused.cause)
    for generation in reversed([] if again else warehouse.generations()):
        if not generation.sealed and _refused(generation, config) and want.made(generation):
            if other := _asked_otherwise(generation, config):
                told = ", ".join(f"`{name}`" for name in other)
                return Decision(True, f"draft {generation.number} was refused, and {told} asks something else by now")
            failed = ", ".join(_failed(generation, config))
            why = f"{failed} failed and says what helps; `rebuild`, or `xtr-assets build`, looks again"
            return Decision(False, f"draft {generation.number} holds exactly this and was not published: {why}")
    return Decision(True, _reason(want, published))


@dataclass(frozen=True)
class Refused:
    """A draft that was refused for what its indexes keep of `parent`, and that cause in words."""

    draft: Generation
    parent: Generation
    cause: str

    def holds_for(self, want: Wanted) -> bool:
        """Whether what is wanted now would be refused for the same cause."""
        manifest = self.draft.manifest
        same = manifest.fingerprint == want.fingerprint and noted_settings(self.draft) == want.settings
        return same and stands(self.draft, self.parent, want.snapshots)


def refused_for_training(warehouse: Warehouse, config: IndexConfig, published: Generation | None) -> Refused | None:
    """The newest draft that was judged, where it was refused for what its indexes keep of what serves. Where another
    generation serves by now, somebody moved the pointer: nothing follows from the draft then. One whose run died
    half-way says nothing."""
    judged = (one for one in reversed(warehouse.generations()) if one.sealed or _refused(one, config))
    newest = next(judged, None)
    if published is None or newest is None or newest.sealed or newest.parent != published.number:
        return None
    from xtr_assets.pipeline.gate.registry import required_checks

    cause = retrain_cause(newest, published, required_checks(config))
    return Refused(newest, published, cause) if cause else None


def _taken_back(back: TakenBack, published: Generation | None, remedy: str = BUILD_AGAIN) -> str:
    serving = "none" if published is None else str(published.number)
    return (
        f"generation {back.generation} {back.held} and was {back}; generation {serving} serves until something "
        f"changes, or a person says otherwise: {remedy}"
    )


def _refused(draft: Generation, config: IndexConfig) -> bool:
    """Whether a required check of the draft failed; one whose run died half-way was not refused."""
    return bool(_failed(draft, config))


def _failed(draft: Generation, config: IndexConfig) -> list[str]:
    """The required checks that a draft failed."""
    from xtr_assets.pipeline.gate.registry import required_checks

    records = draft.manifest.checks
    return [name for name in required_checks(config) if name in records and not records[name].passed]


def _asked_otherwise(draft: Generation, config: IndexConfig) -> list[str]:
    """Settings of the gate that changed since the draft was begun, and checks that it failed and look otherwise."""
    from xtr_assets.pipeline.gate.registry import requirement

    records = draft.manifest.checks
    found = [(one, records[one.name]) for one in requirement(config) if one.name in records]
    changed = [one.name for one, record in found if not record.passed and record.version != one.version]
    return [*judged_otherwise(draft, config), *changed]


def _reason(want: Wanted, published: Generation | None) -> str:
    if published is None:
        return "nothing is published yet"
    if published.fingerprint != want.fingerprint:
        return f"the encoder changed from {published.fingerprint[:8]} to {want.fingerprint[:8]}"
    settings = noted_settings(published)
    if settings.get("formats") != want.settings["formats"]:
        return f"generation {published.number} was written by another release, in other formats"
    if settings.get("names") != want.settings.get("names"):
        return "the names that are encoded beside the texts changed, or are new in this release"
    if settings != want.settings:
        return "the settings of the index changed"
    before = published.manifest.snapshots
    changed = sorted(s for s, version in want.versions.items() if before.get(s) != version)
    retired = sorted(set(before) - set(want.snapshots))
    parts = [f"{what} {', '.join(which)}" for what, which in (("changed:", changed), ("retired:", retired)) if which]
    return "; ".join(parts)


def begin(
    warehouse: Warehouse,
    config: IndexConfig,
    encoder: Encoder,
    run_id: str,
    *,
    holes: Holes = "kept",
    required: Sequence[RequiredCheck] | None = None,
    afresh: bool = False,
) -> Draft:
    """The draft of this run over the current snapshots; drafts that nobody continues are removed first.

    It keeps what it must pass: by default all that the config requires, whoever publishes it then.
    """
    from xtr_assets.pipeline.gate.registry import requirement

    want = wanted(warehouse, config, encoder.fingerprint)
    # While what was refused can be told.
    forget_postings(warehouse)
    warehouse.clean(keep_drafts=1)
    published = warehouse.published
    retired = retired_since(warehouse.layout, None if published is None else published.manifest, want.snapshots)
    noted = {
        **want.notes,
        JUDGED_NOTE: judged_by(config),
        **({RETIRED_NOTE: retired} if retired else {}),
    }
    draft = warehouse.draft(
        run_id,
        encoder=encoder.describe(),
        fingerprint=encoder.fingerprint,
        snapshots=want.versions,
        parent="published",
        holes=holes,
        required=requirement(config) if required is None else required,
        notes={**noted, **({AFRESH_NOTE: True} if afresh else {})},
        named=named_shards(config),
    )
    head = own_head(config.encoder)
    if head is not None and minilm_with_tokens(draft.manifest.encoder.model_dump()) is not None:
        keep_head(warehouse, draft, head)
    return draft


def continued(warehouse: Warehouse, runs: Sequence[str], *, begins: bool) -> Draft:
    """The draft that a step works on: that of its run, or of the run that this one is executed again for; `runs` are
    their ids, the latest first. Where none of them was to begin one (`begins`), the newest open draft."""
    for number in reversed(warehouse.layout.numbers()):
        generation = warehouse.generation(number)
        if generation.manifest.run_id not in runs:
            continue
        if not generation.sealed:
            return warehouse.open_draft(number)
        if begins and _served(warehouse, number):
            raise GenerationError(
                f"generation {number}, which this run began, is published already: nothing is left to do"
            )
        if begins:
            raise GenerationError(
                f"generation {number}, which this run began, was sealed and never served: its publish ended before it "
                f"moved the pointer; {publish_line(number)} lets it serve"
            )
    if begins:
        raise GenerationError(
            "the draft of this run is gone: others were begun since, and only the newest is kept. Launch a new run in "
            "place of this one"
        )
    draft = warehouse.newest_draft()
    if draft is None:
        raise GenerationError(
            f"there is no draft to continue: everything that was begun is sealed. Select {RUN_ASSETS} together"
        )
    return draft


def _served(warehouse: Warehouse, number: int) -> bool:
    return pointer_moved_to(warehouse.layout, number) or read_published(warehouse.layout) == number


def refuse_if_set_otherwise(generation: Generation, config: IndexConfig) -> None:
    """PublishRefused where the configuration says other things of a draft than when it was begun: its checks judged it
    by those. Files of queries, which may change while a build runs, are left to the next build."""
    noted, now = ({**one, "queries": None} for one in (noted_settings(generation), settings_of(config)))
    if other := [*differing(noted, now), *judged_otherwise(generation, config)]:
        names = ", ".join(f"`{name}`" for name in other)
        raise PublishRefused(
            f"generation {generation.number} was judged by another configuration: {names} changed since it was begun; "
            "run `rebuild` (`xtr-assets build`), which judges by what is set now"
        )


def data_version(draft: Generation) -> str:
    """32 hex digits over what the generation holds: segments at their rows, tombstones, encoder, settings."""
    manifest = draft.manifest
    tombstones = manifest.files[draft.file_name("tombstones.npy")].sha256
    segments = [(one.segment_id, one.base_row) for one in manifest.segments]
    held = [manifest.fingerprint, manifest.snapshots, segments, tombstones, noted_settings(draft) or None]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:32]


def add_cost(draft: Draft, name: str, report: Mapping[str, Any]) -> None:
    """Keep what a step cost in the manifest, beside the others."""
    costs = dict(draft.manifest.notes.get(COSTS_NOTE, {}))
    draft.set_note(COSTS_NOTE, {**costs, name: dict(report)})

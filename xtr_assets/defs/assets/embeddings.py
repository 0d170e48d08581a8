"""`embeddings` and `token_embeddings`: one pass of the encoder over what a shard has that is not encoded yet."""

from collections.abc import Iterator, Sequence

import dagster as dg

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.name_text import NAME_VERSION, Naming
from xtr_assets.core.recipe_grammar import check_recipe
from xtr_assets.core.types import VectorKind
from xtr_assets.defs.context import AFRESH_TAG, Site
from xtr_assets.defs.definition_metadata import definition_metadata
from xtr_assets.defs.metadata import cost_metadata, problem_result
from xtr_assets.defs.partitions import shard_of, shard_partitions
from xtr_assets.encoders.base import vector_kind
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.pipeline.gate.validity import embedding_problems, name_vector_problems, token_problems
from xtr_assets.pipeline.ingest.encode import encode_snapshot, missing_encodings
from xtr_assets.pipeline.ingest.scan import source_of
from xtr_assets.pipeline.plan.after_refusal import encodings_refused, forget_encodings
from xtr_assets.storage.history import read_published
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry.progress import bar

# On the run that forgot what was refused: of which index and encoder, and what served.
FORGOT_TAG = "xtr-assets/forgot"

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def names_suffix(names: Naming) -> str:
    """What the data version says of a shard's names."""
    return f"-names{NAME_VERSION}{'' if names == 'all' else f'-{names}'}" if names else ""


def encoding_assets(site: Site) -> dg.AssetsDefinition:
    """`embeddings` and `token_embeddings` with their checks; of an index of one leg the one that it has."""
    embeddings, tokens = site.names.keys(("embeddings", "token_embeddings"))
    chunks = site.names.key("chunks")
    there = site.names.keys(site.there(("embeddings", "token_embeddings")))
    specs = [
        dg.AssetSpec(
            embeddings,
            deps=[chunks],
            group_name=site.group,
            kinds={"numpy"},
            metadata=definition_metadata(site.config, "embeddings"),
            description="One unit vector a chunk, float16, and one of its name where the source has names.",
        ),
        dg.AssetSpec(
            tokens,
            deps=[chunks],
            group_name=site.group,
            kinds={"numpy"},
            metadata=definition_metadata(site.config, "token_embeddings"),
            description="One unit vector a kept token, int8 with a scale, and what the tokenizer called it.",
        ),
    ]
    checks = [
        dg.AssetCheckSpec("embeddings_valid", asset=embeddings, blocking=True, description="Finite, of unit length."),
        dg.AssetCheckSpec(
            "tokens_valid", asset=tokens, blocking=True, description="Offsets ascend, scales above zero."
        ),
    ]

    @dg.multi_asset(
        name=site.names.step("encode"),
        specs=[one for one in specs if one.key in there],
        check_specs=[one for one in checks if one.asset_key in there],
        partitions_def=shard_partitions(site.config),
        required_resource_keys=site.needs_encoder,
    )
    def encode(context: dg.AssetExecutionContext) -> Results:
        shard = shard_of(context, site.config)
        warehouse, encoder = site.warehouse(context), site.encoder(context)
        snapshot = warehouse.snapshot(shard)
        if snapshot is None:
            raise GenerationError(f"shard {shard!r} was never chunked; materialize `chunks` of it first")
        if encodings_refused(warehouse):
            _forget_refused(site, context, warehouse, encoder.fingerprint)
        kind, dense = vector_kind(encoder), "dense" in encoder.legs
        if dense:
            check_recipe(site.config.dense.recipe, encoder.dim)
        names: Naming = source_of(site.config, shard).config.naming if dense else ""
        segments = missing_encodings(warehouse, snapshot, kind, names=names)
        with (
            site.traced(context),
            step("encode") as cost,
            bar(sum(s.rows for s in segments), f"encode {shard}") as progress,
        ):
            report = encode_snapshot(warehouse, snapshot, encoder, progress, names=names)
            cost.count(
                rows=report.rows,
                encoded=report.encoded,
                resumed=report.resumed,
                reused=report.reused,
                windowed=report.windowed,
                named=report.named,
                tokens=report.tokens,
                bytes=report.bytes,
            )
        made = f"{snapshot.data_version}-{encoder.fingerprint[:16]}"
        version = dg.DataVersion(f"{made}{names_suffix(names)}")
        metadata = {
            "dagster/partition_row_count": snapshot.live_rows,
            "encoder": encoder.name,
            "fingerprint": encoder.fingerprint,
            **cost_metadata(cost),
        }
        for key in there:
            yield dg.MaterializeResult(asset_key=key, data_version=version, metadata=metadata)
        found = problems_of(segments, kind, names=names)
        for leg, key, check in (("dense", embeddings, "embeddings_valid"), ("tokens", tokens, "tokens_valid")):
            if key in there:
                yield problem_result(check, key, found[leg])

    return encode


def _forget_refused(site: Site, context: dg.AssetExecutionContext, warehouse: Warehouse, fingerprint: str) -> None:
    """Once for an encoder and what serves: where the draft after that is refused too, encoding the same again mends
    nothing, and each change would pay for all that never served. A person's run that takes nothing over forgets it
    again, as `xtr-assets build` does."""
    # One that was removed and made anew numbers its generations from 1 again.
    made, serving = warehouse.info.created_at, read_published(warehouse.layout)
    asked = f"{site.config.name} {fingerprint[:16]} {made} {serving}"
    before = context.instance.get_runs(dg.RunsFilter(tags={FORGOT_TAG: asked}), limit=1)
    if before and not site.afresh(context):
        context.log.warning(
            "a draft was refused for its vectors though they were made anew since what serves: they are not encoded "
            "again by themselves; find out what is wrong with the encoder, then launch `ingest` with the tag "
            f'`{AFRESH_TAG}: "true"`, or run `xtr-assets build`'
        )
        return
    # Of every shard: the sensor `source_changes` asks for the others, which lack theirs then.
    with site.writing(context, "forgetting what was refused"):
        if forget_encodings(warehouse):
            context.instance.add_run_tags(context.run.run_id, {FORGOT_TAG: asked})


def problems_of(segments: Sequence[Segment], kind: VectorKind, *, names: Naming) -> dict[str, list[Problem]]:
    """What is wrong with what was encoded, by leg."""
    found: dict[str, list[Problem]] = {"dense": [], "tokens": []}
    for segment in segments:
        if "dense" in kind.legs:
            found["dense"] += embedding_problems(segment, kind.fingerprint)
        if names:
            found["dense"] += name_vector_problems(segment, kind.fingerprint, names)
        if "tokens" in kind.legs:
            found["tokens"] += token_problems(segment, kind.fingerprint)
    return found

"""The jobs of an index. `rebuild` is everything from the draft to the pointer, in one run."""

from contextlib import nullcontext
from typing import Any

import dagster as dg
from pydantic import Field

from xtr_assets.defs.context import (
    AFRESH_TAG,
    COMPACT_TAG,
    EXECUTOR,
    NO_RETRY,
    TUNE_TAG,
    Site,
    patient,
)
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.defs.train_head_job import train_head_job
from xtr_assets.defs.verify_job import verify_job
from xtr_assets.pipeline.ingest.intake import configured_shards
from xtr_assets.pipeline.plan.decide import wanted_kind

# What define_asset_job gives; dagster names its type in its core only.
AssetJob = Any


class CollectConfig(dg.Config):
    """What stays, and whether anything goes."""

    keep: int = Field(
        default=0,
        description="How many generations stay, the serving one among them; 0 is `upkeep.keep` of the configuration.",
    )
    dry_run: bool = Field(default=False, description="Only say what would be removed, in the metadata of the step.")


# What the jobs from the draft to the pointer do, and the tags that make the difference.
GENERATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "rebuild": ("The next generation over the current shards: draft, indexes, gate, pointer.", {}),
    "retrain": (
        "The same with nothing taken over: quantizer, centroids and profiles are learnt from the rows there are now.",
        {AFRESH_TAG: "true"},
    ),
    "compact": (
        "Segments are merged and dead rows left out; the generation over them passes the gate like any other.",
        {COMPACT_TAG: "true"},
    ),
    "tune": (
        "The generation that serves with search profiles found anew: the cheapest that reach the recall goal.",
        {TUNE_TAG: "true"},
    ),
}


def asset_jobs(site: Site) -> list[AssetJob]:
    """`ingest` of one shard, the jobs from the current shards to the pointer, and `evaluate` of what serves."""
    return [
        dg.define_asset_job(
            site.names.named("ingest"),
            selection=dg.AssetSelection.assets(*site.names.keys(site.there(CORPUS))),
            description="Chunks and vectors of one shard (a partition).",
            executor_def=EXECUTOR,
            tags={**NO_RETRY, **site.job_tags("ingest")},
        ),
        *(
            dg.define_asset_job(
                site.names.named(job),
                selection=dg.AssetSelection.assets(*site.names.keys(site.there(DERIVED))),
                description=description,
                executor_def=EXECUTOR,
                tags={**NO_RETRY, **site.job_tags(job), **tags},
            )
            for job, (description, tags) in GENERATIONS.items()
        ),
        dg.define_asset_job(
            site.names.named("evaluate"),
            selection=dg.AssetSelection.assets(site.names.key("evaluation")),
            description="Quality of the serving generation over all judged queries, or over items drawn.",
            executor_def=EXECUTOR,
            tags=site.job_tags("evaluate"),
        ),
    ]


def op_jobs(site: Site) -> list[dg.JobDefinition]:
    """Jobs that are no assets, and move no pointer: `collect`, `verify`, `train_head`."""
    return [_collect_job(site), verify_job(site), train_head_job(site)]


def _collect_job(site: Site) -> dg.JobDefinition:
    @dg.op(name=site.names.named("remove_old_generations"), required_resource_keys=site.needs_encoder)
    def remove_old_generations(context: dg.OpExecutionContext, config: CollectConfig) -> None:
        warehouse = site.warehouse(context)
        # A step of a build holds the lock between its writes; a collection can wait as long as another step would.
        purpose = f"collection of {site.config.name}, run {context.run_id}"
        with nullcontext() if config.dry_run else patient(context, lambda wait: warehouse.lock(purpose, wait)):
            # An encoder of old that is wanted again may be encoding right now.
            encoder = wanted_kind(warehouse, site.config, lambda: site.encoder(context)).fingerprint
            shards = configured_shards(warehouse, site.config)
            keep = config.keep or site.config.upkeep.keep
            report = warehouse.collect(keep, dry_run=config.dry_run, encoder=encoder, shards=shards)
        done = "would remove" if config.dry_run else "removed"
        context.log.info(f"{done} {report.bytes} bytes; generations {list(report.kept)} stay")
        context.add_output_metadata(
            {
                "dry_run": config.dry_run,
                "bytes": report.bytes,
                "kept": dg.MetadataValue.json(list(report.kept)),
                "pinned": dg.MetadataValue.json(list(report.pinned)),
                "generations_removed": dg.MetadataValue.json(list(report.generations)),
                "paths_removed": len(report.removed),
                "shards_retired": dg.MetadataValue.json(list(report.retired)),
                "shards_unused": dg.MetadataValue.json(list(report.unused)),
            }
        )

    @dg.job(
        name=site.names.named("collect"),
        description="Remove old generations and what nothing kept needs; never what a reader has open.",
        executor_def=EXECUTOR,
        tags=site.job_tags("collect"),
    )
    def collect() -> None:
        remove_old_generations()

    return collect

"""The definitions of an index of parts: those of each part, and the asset, jobs and sensors that move them together."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.defs.assets.published import published_parts_asset
from xtr_assets.defs.code_links import linked
from xtr_assets.defs.context import EXECUTOR, NO_RETRY, Site
from xtr_assets.defs.move_sensor import move_sensor
from xtr_assets.defs.names import POINTER_JOBS, Names
from xtr_assets.defs.part_resources import PartResource, PartSetResource
from xtr_assets.defs.resources import EncoderResource, SearchResource, WarehouseResource
from xtr_assets.defs.run_failure import run_failure
from xtr_assets.defs.schedules import Nights
from xtr_assets.defs.set_jobs import set_jobs
from xtr_assets.pipeline.plan.part_plan import PartPlan, plan_parts

Look = Callable[[dg.AssetSpec], dg.AssetSpec]
Tags = Mapping[str, Mapping[str, Any]]
# The jobs of the whole. Each part has `publish` and `rollback` of its own; what is withdrawn the whole may serve.
OF_THE_SET = (*POINTER_JOBS, "remove_part")


class BuildOne(Protocol):
    """Makes the definitions of one warehouse."""

    def __call__(
        self,
        config: IndexConfig,
        prefix: str,
        nights: Nights,
        running: Collection[str],
        look: Look | None,
        run_tags: Tags,
        warehouse: WarehouseResource,
    ) -> dg.Definitions: ...


def build_parts_defs(
    config: IndexConfig,
    prefix: str,
    nights: Nights,
    running: Collection[str],
    look: Look | None,
    run_tags: Tags,
    build_one: BuildOne,
) -> dg.Definitions:
    """All parts and the whole. The parts are those that parts.json and the configuration have when this is called: a
    new source is a part, or in one, after the next load of the definitions."""
    plan = plan_parts(config)
    of_parts = {job: tags for job, tags in run_tags.items() if job not in ("withdraw", "remove_part")}
    places, labels = plan.places, part_names(config, plan)
    made = [
        build_one(
            part,
            f"{prefix}{labels[name]}_",
            nights,
            running,
            look,
            of_parts,
            PartResource(path=str(plan.root), index=part.name, part=name, places=places, max_chunks=plan.max_chunks),
        )
        for name, part in plan.configs.items()
    ]
    return dg.Definitions.merge(*made, set_defs(config, plan, prefix, "automation" in running, look, run_tags))


def set_defs(
    config: IndexConfig,
    plan: PartPlan,
    prefix: str = "",
    running: bool = True,
    look: Look | None = None,
    run_tags: Tags | None = None,
) -> dg.Definitions:
    """What the whole has beside its parts."""
    site = Site(config, Names(config.name, prefix), {job: (run_tags or {}).get(job, {}) for job in OF_THE_SET})
    keys = [Names(part.name).key("published") for part in plan.configs.values()]
    assets = linked([published_parts_asset(site, plan, keys)])
    publish = dg.define_asset_job(
        site.names.named("publish"),
        selection=dg.AssetSelection.assets(site.names.key("published")),
        description="What the parts serve, published together by one move.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("publish")},
    )
    jobs: list[Any] = [publish, *set_jobs(site)]
    names = site.names
    return dg.Definitions(
        assets=assets if look is None else [*dg.map_asset_specs(look, assets)],
        jobs=jobs,
        sensors=[move_sensor(site, plan, publish, running), run_failure(site, jobs)],
        resources={
            names.parts: PartSetResource(
                path=str(plan.root), index=config.name, places=plan.places, max_chunks=plan.max_chunks
            ),
            names.encoder: encoder_resource(config),
            names.search: SearchResource(warehouse=str(plan.root)),
        },
    )


def part_names(config: IndexConfig, plan: PartPlan) -> dict[str, str]:
    """Part -> what it is called in Dagster, without the index' name."""
    return {part: one.name.removeprefix(f"{config.name}_") for part, one in plan.configs.items()}


def encoder_resource(config: IndexConfig) -> EncoderResource:
    """The encoder of an index."""
    # Dagster takes no null at the top of a mapping; what is left out is what a kind has by default.
    settings = {name: value for name, value in config.encoder.model_dump(mode="json").items() if value is not None}
    return EncoderResource(settings=settings, index=config.name)

"""`build_index_defs`: everything Dagster needs to know of an index; `build_project_defs`: of several."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.assets.catalog import catalog_asset
from xtr_assets.defs.assets.chunks import chunks_asset
from xtr_assets.defs.assets.embeddings import encoding_assets
from xtr_assets.defs.assets.evaluation import evaluation_asset
from xtr_assets.defs.assets.exact_neighbors import exact_neighbors_asset
from xtr_assets.defs.assets.faiss_index import faiss_index_asset
from xtr_assets.defs.assets.generation import generation_asset
from xtr_assets.defs.assets.id_map import id_map_asset
from xtr_assets.defs.assets.lexical_index import lexical_index_asset
from xtr_assets.defs.assets.published import published_asset
from xtr_assets.defs.assets.queries import queries_asset
from xtr_assets.defs.assets.xtr_index import xtr_index_asset
from xtr_assets.defs.checks import index_checks
from xtr_assets.defs.code_links import linked
from xtr_assets.defs.context import Site
from xtr_assets.defs.jobs import asset_jobs, op_jobs
from xtr_assets.defs.names import Names
from xtr_assets.defs.part_factory import Look, build_parts_defs, encoder_resource
from xtr_assets.defs.pointer_jobs import pointer_jobs
from xtr_assets.defs.resources import SearchResource, WarehouseResource
from xtr_assets.defs.schedules import Nights, index_schedules
from xtr_assets.defs.sensors import ASKING, index_sensors

# What makes each asset, or those of one step, by a name of theirs.
ASSETS = {
    "chunks": chunks_asset,
    "encode": encoding_assets,
    "generation": generation_asset,
    "queries": queries_asset,
    "exact_neighbors": exact_neighbors_asset,
    "faiss_index": faiss_index_asset,
    "xtr_index": xtr_index_asset,
    "lexical_index": lexical_index_asset,
    "id_map": id_map_asset,
    "catalog": catalog_asset,
    "published": published_asset,
    "evaluation": evaluation_asset,
}


def build_index_defs(
    config: IndexConfig,
    prefix: str = "",
    nights: Nights | None = None,
    running: Collection[str] = ASKING,
    look: Look | None = None,
    *,
    run_tags: Mapping[str, Mapping[str, Any]] | None = None,
) -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of one index.

    config : what `xtr_assets.config.load_config(Path("xtr.yaml"))` reads. Asset keys carry the index' name. Jobs,
    sensors and resources have one namespace in a project: where it has several indexes, `prefix` ("docs_") goes before
    theirs, and an asset takes `docs_search: SearchResource`. nights : when the upkeep runs. running : the sensors that
    ask for runs from the start. look : what becomes of an asset's owners, tags and group. run_tags : tags for the runs
    of a job, by its name without the prefix, that a launcher reads: a queue, memory, a GPU (`{"ingest":
    {"dagster-celery/queue": "gpu"}}`). ConfigError where there is no such job.

    An index of several parts (`parts` of its configuration) has all of that for each part, under the name and prefix of
    that part (`docs_part_0001`), and `published` of the whole, which moves once all parts serve what their shards hold.
    """
    nights = nights or Nights()
    if config.parts is not None:
        return build_parts_defs(config, prefix, nights, running, look, run_tags or {}, build_one_defs)
    warehouse = WarehouseResource(path=str(config.warehouse), index=config.name)
    return build_one_defs(config, prefix, nights, running, look, run_tags or {}, warehouse)


def build_one_defs(
    config: IndexConfig,
    prefix: str,
    nights: Nights,
    running: Collection[str],
    look: Look | None,
    run_tags: Mapping[str, Mapping[str, Any]],
    warehouse: WarehouseResource,
) -> dg.Definitions:
    """The definitions of one warehouse: of an index, or of a part of one."""
    site = Site(config, Names(config.name, prefix), run_tags)
    names = site.names
    assets = linked([ASSETS[name](site) for name in site.there(ASSETS)])
    jobs = [*asset_jobs(site), *pointer_jobs(site), *op_jobs(site)]
    by_name = {job.name: job for job in jobs}
    if strange := sorted(job for job in site.run_tags if names.named(job) not in by_name):
        known = [name.removeprefix(prefix) for name in by_name]
        raise ConfigError(f"run_tags names {', '.join(strange)}; the jobs are {', '.join(known)}")
    return dg.Definitions(
        assets=assets if look is None else [*dg.map_asset_specs(look, assets)],
        asset_checks=index_checks(site),
        jobs=jobs,
        sensors=index_sensors(site, by_name, running),
        schedules=index_schedules(site, by_name, nights),
        resources={
            names.warehouse: warehouse,
            names.encoder: encoder_resource(config),
            names.search: SearchResource(warehouse=str(config.warehouse)),
        },
    )


def build_project_defs(configs: Sequence[IndexConfig]) -> dg.Definitions:
    """Several indexes in one project, each under its name; a single one without a prefix."""
    names = [config.name for config in configs]
    if len(set(names)) != len(names):
        raise ConfigError(f"the indexes of a project need different names, found {', '.join(names)}")
    folders = [str(config.warehouse.resolve()) for config in configs]
    if shared := next((one for one in folders if folders.count(one) > 1), None):
        # Each would retire what the other has.
        of = ", ".join(name for name, folder in zip(names, folders, strict=True) if folder == shared)
        raise ConfigError(f"the indexes {of} have one `warehouse`, {shared}; give each its own")
    if len(configs) == 1:
        return build_index_defs(configs[0])
    return dg.Definitions.merge(*(build_index_defs(config, f"{config.name}_") for config in configs))

"""The draft and what is derived from it: `generation`, `faiss_index`, `xtr_index`, `id_map`, `catalog`."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.ingest_costs import ingest_costs
from xtr_assets.defs.metadata import cost_metadata, plain_metadata, table
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.drift import note_training
from xtr_assets.pipeline.gate.validity import check_segments
from xtr_assets.pipeline.plan.compaction_due import compact_segments, compaction_due
from xtr_assets.pipeline.plan.decide import add_cost, begin, data_version, parent_of, wanted
from xtr_assets.pipeline.plan.row_novelty import counted_change
from xtr_assets.storage.catalog import CATALOG_NAME, VIEWS, write_catalog
from xtr_assets.storage.draft_lifecycle import Holes
from xtr_assets.storage.id_map import ID_MAP_NAME, write_id_map

Result = dg.MaterializeResult[None]


def generation_asset(site: Site) -> dg.AssetsDefinition:
    """`generation`: begins the draft of the run."""

    @site.asset(
        "generation",
        "index",
        {"json"},
        "A draft over the current segments of all shards: rows, tombstones, settings. Nobody reads it yet.",
        deps=("embeddings", "token_embeddings"),
        encoder=True,
        optional=True,
    )
    def generation(context: dg.AssetExecutionContext) -> Iterator[Result]:
        encoder = site.encoder(context)
        holes: Holes = "closed" if site.afresh(context) else "kept"
        with site.writing(context, "generation") as warehouse, step("generation") as cost:
            written = 0
            if site.compacting(context):
                found = compaction_due(warehouse, wanted(warehouse, site.config, encoder.fingerprint))
                if found.possible and not found.due:
                    context.log.info(f"nothing to do: {found.reason}")
                    return
                compacted = compact_segments(warehouse, found)
                written, holes = compacted.bytes, "bounded"
                cost.count(segments_replaced=compacted.replaced, segments_written=compacted.written)
            draft = begin(warehouse, site.config, encoder, context.run.run_id, holes=holes)
            parent = parent_of(warehouse, draft)
            check_segments(draft, parent)
            change = counted_change(parent, draft)
            # What ingest wrote is told by ingest; here it is what compaction wrote, and the draft's own first files.
            own = f"{warehouse.layout.relative(draft.directory)}/"
            size = written + sum(one.bytes for name, one in draft.manifest.files.items() if name.startswith(own))
            cost.count(segments=len(draft.manifest.segments), bytes=size, **asdict(change))
        for name, report in ingest_costs(context, site, draft, parent).items():
            add_cost(draft, name, report)
        add_cost(draft, "generation", cost.report())
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(data_version(draft)),
            metadata={
                "dagster/row_count": draft.live_rows,
                "generation": draft.number,
                "parent": str(draft.parent),
                "rows": draft.end_row,
                "holes": draft.holes,
                "run_id": draft.run_id,
                **cost_metadata(cost),
            },
        )

    return generation


def faiss_asset(site: Site) -> dg.AssetsDefinition:
    """`faiss_index`: the dense index of the draft."""

    @site.asset(
        "faiss_index",
        "index",
        {"faiss"},
        "Dense index of the draft, derived from its parent's where that is cheaper, tuned on queries of its own kind.",
        deps=["generation", "queries"],
    )
    def faiss_index(context: dg.AssetExecutionContext) -> Result:
        with site.costed(context, "faiss_index", "dense index") as (warehouse, draft, cost):
            parent = site.carried(context, warehouse, draft)
            tune = site.tuning(context)
            report = derive_dense(draft, parent, site.config.dense, site.config.recall.dense, tune=tune)
            cost.count(rows_added=report.added, rows_removed=report.removed, how=report.how)
            note_training(draft, parent, report.how)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={
                "generation": draft.number,
                "why": report.reason,
                **plain_metadata(report.index),
                **cost_metadata(cost),
            },
        )

    return faiss_index


def xtr_asset(site: Site) -> dg.AssetsDefinition:
    """`xtr_index`: the token index of the draft."""

    @site.asset(
        "xtr_index",
        "index",
        {"numpy"},
        "Late-interaction index of the draft: postings of new segments, shared centroids, a tuned profile.",
        deps=["generation", "queries"],
    )
    def xtr_index(context: dg.AssetExecutionContext) -> Result:
        with site.costed(context, "xtr_index", "token index") as (warehouse, draft, cost):
            parent, tune = site.carried(context, warehouse, draft), site.tuning(context)
            report = derive_tokens(warehouse, draft, parent, site.config.recall, tune=tune)
            cost.count(
                tokens=report.tokens,
                postings_written=report.postings_written,
                postings_reused=report.postings_reused,
                how=report.how,
            )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.sha256[:32]),
            metadata={
                "generation": draft.number,
                "why": report.reason,
                "model": report.model,
                "centroids": report.centroids,
                "training": dg.MetadataValue.json(report.training),
                "profile": dg.MetadataValue.json(draft.manifest.profile.get("xtr", {})),
                **(
                    {}
                    if report.tuning is None
                    else {"tuning": table([asdict(trial) for trial in report.tuning.trials])}
                ),
                **cost_metadata(cost),
            },
        )

    return xtr_index


def id_map_asset(site: Site) -> dg.AssetsDefinition:
    """`id_map`: row by row, which chunk it is."""

    @site.asset(
        "id_map",
        "index",
        {"parquet"},
        "Every stored row: chunk_id, segment, position, and whether it is live.",
        deps=["generation"],
    )
    def id_map(context: dg.AssetExecutionContext) -> Result:
        with site.costed(context, "id_map", "id map") as (_, draft, cost):
            table = write_id_map(draft)
            written = draft.manifest.files[draft.file_name(ID_MAP_NAME)]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(written.sha256[:32]),
            metadata={"dagster/row_count": len(table), "generation": draft.number, **cost_metadata(cost)},
        )

    return id_map


def catalog_asset(site: Site) -> dg.AssetsDefinition:
    """`catalog`: a DuckDB file of views over the Parquet files."""

    @site.asset(
        "catalog",
        "index",
        {"duckdb"},
        "A read-only DuckDB file with views over chunks, id map, files, segments and quarantine.",
        deps=["id_map"],
    )
    def catalog(context: dg.AssetExecutionContext) -> Result:
        with site.costed(context, "catalog", "catalog") as (_, draft, cost):
            write_catalog(draft)
        return dg.MaterializeResult(
            # DuckDB writes times into its files: what the views say depends on the generation alone.
            data_version=dg.DataVersion(data_version(draft)),
            metadata={
                "generation": draft.number,
                "views": dg.MetadataValue.json(VIEWS),
                "open": f"duckdb -readonly generations/{draft.number}/{CATALOG_NAME}  (standing in the warehouse)",
                **cost_metadata(cost),
            },
        )

    return catalog

"""`chunks`: the pieces of a shard's files, with the check of their schema."""

from collections.abc import Iterator

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, problem_result, quarantine_metadata, stale_metadata
from xtr_assets.defs.partitions import shard_of, shard_partitions
from xtr_assets.defs.upstream_assets import upstream_deps
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.validity import segment_chunk_problems
from xtr_assets.pipeline.ingest.scan import scan_shard, source_of, write_chunks
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.progress import bar

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def chunks_asset(site: Site) -> dg.AssetsDefinition:
    """`chunks` with its check `chunks_schema`."""
    key = site.names.key("chunks")
    schema = dg.AssetCheckSpec(
        "chunks_schema",
        asset=key,
        blocking=True,
        description="The rows of the new segment hold to the schema: types, ranges, ids that differ, true text hashes.",
    )

    @site.asset(
        "chunks",
        {"parquet"},
        "The pieces of a shard's files. Only touched files are chunked; what did not change stays.",
        upstream=upstream_deps(site.config),
        partitions=shard_partitions(site.config),
        checks=[schema],
    )
    def chunks(context: dg.AssetExecutionContext) -> Results:
        shard = shard_of(context, site.config)
        with (
            site.traced(context),
            site.upstream(context),
            site.chunking(context, shard) as warehouse,
            step("chunks") as cost,
        ):
            afresh = site.afresh(context)
            scan = scan_shard(warehouse, shard, source_of(site.config, shard), again=afresh)
            touched = scan.readable if afresh else scan.touched
            with bar(len(touched), f"chunk {shard}") as progress:
                change = write_chunks(warehouse, scan, touched, progress)
            counts = {"added": change.added, "changed": change.changed, "deleted": change.deleted, "kept": change.kept}
            made = change.new_segment
            size = 0 if made is None else sum(one.stat().st_size for one in made.directory.iterdir() if one.is_file())
            cost.count(files=len(scan.files), files_touched=len(touched), bytes=size, **counts)
        snapshot = change.snapshot
        metrics.QUARANTINED.labels(shard).set(len(snapshot.quarantine))
        for entry in snapshot.quarantine[:10]:
            context.log.warning(f"{entry.path}:{entry.line} is left out ({entry.reason}): {entry.detail}")
        for stale in snapshot.stale[:10]:
            context.log.warning(f"{stale.path} is stale since {stale.since}, its rows stay: {stale.reason}")
        yield dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(snapshot.data_version),
            metadata={
                "dagster/partition_row_count": snapshot.live_rows,
                "reason": scan.reason or "nothing changed",
                "segments": len(snapshot.segments),
                **cost_metadata(cost),
                **quarantine_metadata(snapshot.quarantine),
                **stale_metadata(snapshot.stale),
            },
        )
        problems = [] if change.new_segment is None else segment_chunk_problems(change.new_segment)
        yield problem_result("chunks_schema", key, problems)

    return chunks
